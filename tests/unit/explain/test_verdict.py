"""A verdict is what the hardware has, and its change would make it fit."""

import dataclasses
import re
import unittest

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import offers
from nova_gpuvirt.explain import changes
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import obstacles
from nova_gpuvirt.explain import verdict
from nova_gpuvirt.explain import wanted
from nova_gpuvirt.placement import inventory as inventory_
from nova_gpuvirt.placement import providers
from nova_gpuvirt.simulation.drivers import mdev
from tests.unit.cards import test_offers
from tests.unit.explain import test_wanted

UP = hosts_.Service('host1')
ROOT = hosts_.Provider(
    'root', 'host1', stocks={'VCPU': hosts_.Stock(8, max_unit=8)}
)


def host(*cards, name='host1', service=UP, root=ROOT):
    root = dataclasses.replace(root, uuid=f'{name}-root', name=name)
    return hosts_.Host(name, (root,), cards, service)


def card(device='0000:3b:00.0', holders=(), traits=(), **stocks):
    return hosts_.Provider(
        f'uuid-{device}',
        f'host1_gpuvirt_{device}',
        device,
        frozenset(traits),
        stocks,
        tuple(holders),
    )


def ask(*groups, **classes):
    """Ask for these groups, or for some classes without a suffix."""
    groups = groups or [wanted.Group('', {'VCPU': 1, **classes})]
    return wanted.read(test_wanted.query(groups))


def candidates(hosts, asked):
    """List the candidates of a request with one class of GPU."""
    (group,) = asked.of_gpus
    ((rc, count),) = group.resources.items()
    return {
        each.uuid: [
            {'allocations': {c.uuid: {'resources': {rc: count}}}}
            for c in each.cards
            if rc in c.stocks
            and count <= min(c.stocks[rc].left, c.stocks[rc].max_unit)
            and group.required <= c.traits
        ]
        for each in hosts
    }


def rows(asked, *hosts, found=None):
    found = candidates(hosts, asked) if found is None else found
    return verdict.rows(hosts_.Fleet(hosts), hosts, asked, found)


TWO_SMALL = (
    hosts_.Holder('one', {'CUSTOM_VGPU_2Q': 1}),
    hosts_.Holder('two', {'CUSTOM_VGPU_2Q': 1}),
)
GONE = hosts_.Stock(1, 1)
SMALL = hosts_.Stock(8, used=2, max_unit=1)


class RealCardTest(unittest.TestCase):
    """A card as the driver reports it, with any claims on it."""

    cards = st.sampled_from(
        (
            (test_offers.NVIDIA, 1),
            (mdev.Gvtg(256), None),
            (mdev.Gvtg(1024), None),
        )
    ).map(lambda kind: test_offers.card(kind[0], per_guest=kind[1]))

    def reported(self, gpu, claims):
        """A fleet of one host with this card, each claim by its server."""
        known = inventory_.Known({}, (), tuple(claims.values()))
        (provider,) = providers.providers(
            'host1', [gpu], (), {test_offers.ADDRESS: known}
        )
        used = [c.resource_class for c in claims.values()]
        return host(
            card(
                str(test_offers.ADDRESS),
                [
                    hosts_.Holder(name, {c.resource_class: 1})
                    for name, c in claims.items()
                ],
                provider.traits,
                **{
                    rc: hosts_.Stock(**inventory, used=used.count(rc))
                    for rc, inventory in provider.inventories.items()
                },
            )
        )

    def free(self, gpu, claims):
        held = tuple(claims.values())
        default = default_profile.of(gpu, held)
        return offers.offers(gpu, held, default)

    @settings(deadline=None)
    @given(cards, st.data())
    def test_what_is_offered_fits_and_what_is_changed_fits_then(
        self, gpu, data
    ):
        claims = {}
        for number in range(data.draw(st.integers(0, 5))):
            free = [o for o in self.free(gpu, claims) if o.slots]
            if free:
                offer = data.draw(st.sampled_from(free))
                slot = data.draw(st.sampled_from(offer.slots))
                claims[f'vm{number}'] = model.Claim(
                    offer.resource_class, str(slot)
                )
        there = self.reported(gpu, claims)
        rc = data.draw(st.sampled_from(sorted(there.cards[0].stocks)))
        (row,) = rows(ask(**{rc: 1}), there)
        has_slots = {
            o.resource_class: bool(o.slots) for o in self.free(gpu, claims)
        }
        self.assertEqual(has_slots[rc], row.fits, row)
        self.assertEqual(row.fits, not row.reasons)
        if row.change is None:
            return
        if row.change.rank is changes.Rank.SERVER:
            del claims[re.search(r'server (vm\d+) ', row.change.text)[1]]
        else:
            self.assertIs(changes.Rank.CLASS, row.change.rank)
            rc = re.search(r'ask for (\w+) in', row.change.text)[1]
        (row,) = rows(ask(**{rc: 1}), self.reported(gpu, claims))
        self.assertTrue(row.fits, row)


class ChangeTest(unittest.TestCase):
    def test_profile_that_is_left_where_no_one_server_is_in_the_way(self):
        full = card(
            holders=TWO_SMALL, CUSTOM_VGPU_8Q=GONE, CUSTOM_VGPU_2Q=SMALL
        )
        (row,) = rows(ask(CUSTOM_VGPU_8Q=1), host(full))
        self.assertEqual(changes.Rank.CLASS, row.change.rank)
        self.assertIn('ask for CUSTOM_VGPU_2Q in place of', row.change.text)

    def test_vgpu_of_the_default_profile_goes_by_either_class(self):
        full = card(
            holders=[hosts_.Holder(n, {'VGPU': 1}) for n in ('one', 'two')],
            traits=['CUSTOM_A', 'CUSTOM_GPU_PROFILE_8Q', 'CUSTOM_Z'],
            VGPU=hosts_.Stock(2, used=2),
            CUSTOM_VGPU_8Q=GONE,
        )
        (row,) = rows(ask(CUSTOM_VGPU_8Q=1), host(full))
        self.assertIn('server one (VGPU=1)', row.change.text)

    def test_nothing_is_named_where_one_change_is_not_enough(self):
        full = card(holders=TWO_SMALL, PGPU=GONE)
        asked = ask(PGPU=1)
        (row,) = rows(asked, host(full))
        self.assertIsNone(row.change)
        self.assertIn('held: one', row.reasons[0])
        self.assertIn('no single change', verdict.last_word('big', [row]))
        down = hosts_.Service('host1', is_up=False, is_enabled=False)
        for row in rows(asked, host(card(PGPU=hosts_.Stock(1)), service=down)):
            self.assertFalse(row.fits)
            self.assertIsNone(row.change)
        down = hosts_.Service('host1', is_up=False)
        held = card(holders=TWO_SMALL[:1], PGPU=GONE)
        for row in rows(asked, host(held, service=down)):
            self.assertIsNone(row.change)

    def test_mode_that_is_lost_is_said(self):
        waiting = card(
            holders=TWO_SMALL[:1],
            traits=['CUSTOM_GPU_MODE_LOST'],
            PGPU=GONE,
        )
        (row,) = rows(ask(PGPU=1), host(waiting))
        self.assertIn('it has lost a mode that a server on it', row.reasons[0])

    def test_consumer_that_is_no_server_can_not_be_moved(self):
        migration = hosts_.Holder('consumer 1', {'PGPU': 1}, is_server=False)
        (row,) = rows(ask(PGPU=1), host(card(holders=[migration], PGPU=GONE)))
        self.assertIsNone(row.change)
        self.assertIn('consumer 1 (PGPU=1)', row.reasons[0])

    def test_cheapest_change_of_the_fleet_is_the_last_word(self):
        server = hosts_.Holder('vm', {'PGPU': 1})
        full = host(card(holders=[server], PGPU=GONE))
        off = host(
            card('0000:5e:00.0', PGPU=hosts_.Stock(1)),
            name='host2',
            service=hosts_.Service('host2', is_enabled=False),
        )
        last = verdict.last_word('big', rows(ask(PGPU=1), full, off))
        self.assertIn('set --enable host2', last)
        last = verdict.last_word('big', rows(ask(PGPU=1), full))
        self.assertIn('server vm (PGPU=1), which is on 0000:3b:00.0', last)

    def test_servers_that_could_make_room_on_the_host(self):
        root = dataclasses.replace(
            ROOT, stocks={'VCPU': hosts_.Stock(8, used=8, max_unit=8)}
        )
        there = host(card(PGPU=hosts_.Stock(1)), root=root)
        answers = rows(ask(PGPU=1), there, found={})
        self.assertEqual(
            ('0 of 8 VCPU are left, 1 are wanted',), answers[0].reasons
        )
        self.assertIn('servers with 1 of VCPU', answers[0].change.text)
        self.assertEqual(
            ('nothing of its own: see the host',), answers[1].reasons
        )


class GroupsTest(unittest.TestCase):
    def groups(self, *traits):
        return [
            wanted.Group(str(i), {'PGPU': 1}, frozenset([trait]))
            for i, trait in enumerate(traits)
        ]

    def test_group_that_no_card_fits_is_named(self):
        there = host(
            card('a', traits=['CUSTOM_A'], PGPU=hosts_.Stock(1)),
            card('b', traits=['CUSTOM_B'], PGPU=hosts_.Stock(1)),
        )
        asked = ask(*self.groups('CUSTOM_A', 'CUSTOM_C'))
        whole, a, b = rows(asked, there, found={})
        self.assertEqual(('no card of it fits resources1',), whole.reasons)
        self.assertEqual(('nothing of its own: see the host',), a.reasons)
        self.assertEqual(2, len(b.reasons))

    def test_one_change_is_of_a_card_that_the_others_do_not_need(self):
        server = hosts_.Holder('vm', {'PGPU': 1})
        asked = ask(*self.groups('CUSTOM_A', 'CUSTOM_A'))
        free = card('a', traits=['CUSTOM_A'], PGPU=hosts_.Stock(1))
        held = card('b', [server], ['CUSTOM_A'], PGPU=GONE)
        whole, a, b = rows(asked, host(free, held), found={})
        self.assertIn('server vm', b.change.text)
        whole, b = rows(asked, host(held), found={})
        self.assertIsNone(b.change)

    def test_one_card_is_not_changed_for_two_groups(self):
        there = host(card('a', traits=['CUSTOM_A'], PGPU=hosts_.Stock(1)))
        other = host(card('b', traits=['CUSTOM_B'], PGPU=GONE), name='host2')
        asked = ask(*self.groups('CUSTOM_A', 'CUSTOM_B'))
        for row in rows(asked, there, other, found={}):
            self.assertIsNone(row.change, row)

    @given(
        st.lists(st.sets(st.sampled_from('abcde')), max_size=5),
        st.randoms(),
    )
    def test_as_many_as_can_be_placed_whatever_the_order(self, clear, random):
        most = verdict._placed(clear)
        random.shuffle(clear)
        self.assertEqual(most, verdict._placed(clear))
        # Hall's theorem: what is lacking is what the worst subset lacks.
        subsets = [
            [c for i, c in enumerate(clear) if bits >> i & 1]
            for bits in range(1 << len(clear))
        ]
        lacking = max(len(s) - len(set().union(*s)) for s in subsets)
        self.assertEqual(len(clear) - lacking, most)


class SetsTest(unittest.TestCase):
    def test_who_has_a_card_of_a_set(self):
        server = hosts_.Holder('vm', {'PGPU': 1})
        asked = ask(CUSTOM_GPU_SET_2=1)
        there = host(
            card('a', [server], PGPU=hosts_.Stock(1, used=1)),
            card('b', PGPU=hosts_.Stock(1)),
            card('fabric0', CUSTOM_GPU_SET_2=GONE),
        )
        (row,) = rows(asked, there)
        self.assertEqual('fabric0', row.card)
        self.assertIn('held: vm (PGPU=1)', row.reasons[0])
        self.assertIn('server vm', row.change.text)
        self.assertEqual(
            ['a', 'b'], [r.card for r in rows(ask(PGPU=1), there)]
        )

    def test_who_has_the_set_of_a_card(self):
        server = hosts_.Holder('vm', {'CUSTOM_GPU_SET_2': 1})
        taken = hosts_.Stock(1, used=1)
        there = host(
            card('a', PGPU=GONE),
            card('fabric0', [server], CUSTOM_GPU_SET_2=taken),
        )
        (row,) = rows(ask(PGPU=1), there)
        self.assertIn('held: vm (CUSTOM_GPU_SET_2=1)', row.reasons[0])


class LimitsTest(unittest.TestCase):
    def reasons(self, stock, count):
        there = host(card(VGPU=stock))
        (row,) = rows(ask(VGPU=count), there, found={})
        return row.reasons, row.change and row.change.text

    def test_amounts_that_the_inventory_does_not_allow(self):
        reasons, change = self.reasons(hosts_.Stock(8, max_unit=2), 4)
        self.assertEqual(
            ('gives 2 of its parts to one guest, 4 are wanted',), reasons
        )
        self.assertEqual('ask for 2 of VGPU in one group', change)
        reasons, change = self.reasons(hosts_.Stock(8, min_unit=2), 1)
        self.assertEqual('ask for 2 of VGPU in one group', change)
        reasons, _ = self.reasons(hosts_.Stock(8, step_size=2), 3)
        self.assertEqual(
            ('VGPU is given in steps of 2, 3 are wanted',), reasons
        )

    def test_disk_may_be_another_providers(self):
        asked = ask(VGPU=1, DISK_GB=1)
        there = host(card(VGPU=hosts_.Stock(2)))
        self.assertEqual(
            [], [*obstacles.of_host(there, asked, hosts_.Fleet((there,)))]
        )


class NamesTest(unittest.TestCase):
    def change(self, asked, *cards):
        (row, *_) = rows(asked, host(*cards), found={})
        return row.change

    def test_name_that_looks_like_another(self):
        there = card(
            traits=['CUSTOM_GPU_VENDOR_NVIDIA', 'CUSTOM_GPU_VENDOR_INTEL'],
            PGPU=hosts_.Stock(1),
        )
        asked = ask(
            wanted.Group(
                '', {'PGPU': 1}, frozenset(['CUSTOM_GPU_VENDOR_NVIDA'])
            )
        )
        text = self.change(asked, there).text
        self.assertTrue(text.endswith('near: CUSTOM_GPU_VENDOR_NVIDIA'), text)
        asked = ask(wanted.Group('', {'PGPU': 1}, frozenset(['CUSTOM_GOLD'])))
        self.assertIsNone(self.change(asked, there))

    def test_profile_that_is_no_cards_default_is_no_wrong_name(self):
        trait = 'CUSTOM_GPU_PROFILE_2Q'
        there = card(
            traits=['CUSTOM_GPU_PROFILE_8Q'],
            VGPU=hosts_.Stock(2),
            CUSTOM_VGPU_2Q=hosts_.Stock(8),
            CUSTOM_VGPU_8Q=hosts_.Stock(2),
        )
        asked = ask(wanted.Group('1', {'VGPU': 1}, frozenset([trait])))
        change = self.change(asked, there)
        self.assertIs(changes.Rank.CLASS, change.rank)
        self.assertIn('ask for CUSTOM_VGPU_2Q in place of VGPU', change.text)

    @given(
        st.frozensets(st.text('ABC_', min_size=1, max_size=9)),
        st.text('ABC_', min_size=1, max_size=9),
    )
    def test_name_that_is_there_is_the_nearest(self, names, name):
        near = hosts_.near(name, names | {name}).split(', ')
        self.assertIn(name, near)
        self.assertLessEqual({*near}, names | {name})


class LastWordTest(unittest.TestCase):
    def test_where_it_fits(self):
        there = host(card('a', VGPU=hosts_.Stock(2)), card('b', VGPU=GONE))
        answers = rows(ask(VGPU=1), there)
        self.assertEqual(
            'small fits: 1 card of 1 host.',
            verdict.last_word('small', answers),
        )
