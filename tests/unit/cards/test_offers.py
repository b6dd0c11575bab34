"""Never more is offered than the hardware gives, whatever the order.

The hardware is played by the behaviours of the simulated hosts: what they
would not make must not be offered.
"""

import dataclasses
import unittest
import uuid

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from tests.unit import functions

ADDRESS = model.PciAddress.parse('0000:3b:00.0')


@dataclasses.dataclass(frozen=True)
class Ports(mdev.Behaviour):
    """A driver nobody knows: budgets and needs that it does not tell."""

    budgets: tuple[int, ...]
    needs: tuple[tuple[int, ...], ...]
    driver = 'ports'
    no_capacity = 28

    def types(self):
        return tuple(
            mdev.MdevType(str(n), f'port {n}', 'a port')
            for n in range(len(self.needs))
        )

    def available(self, existing, card):
        left = [
            budget - sum(self.needs[int(e.group)][i] for e in existing)
            for i, budget in enumerate(self.budgets)
        ]
        return {
            str(n): min(b // need for b, need in zip(left, needs, strict=True))
            for n, needs in enumerate(self.needs)
        }


def _nvidia(number, size, series, most):
    return nvidia.VgpuType(
        number, f'GRID T4-{size}{series}', size * 1024, most, 4, 60, '1x1'
    )


NVIDIA = mdev.Nvidia(
    tuple(
        _nvidia(100 + i, size, series, 16 // size)
        for i, (size, series) in enumerate(
            (size, series) for size in (1, 2, 4, 8, 16) for series in 'QB'
        )
    )
)
PREFIX = {mdev.Nvidia: 'nvidia', mdev.Gvtg: 'i915', Ports: 'ports'}


def left_of(behaviour, groups):
    """What the hardware would make beside vGPUs of these groups."""
    made = []
    for group in groups:
        made.append(behaviour.make(group, made))
    return behaviour.available(made, made)


def card(behaviour, existing=(), per_guest=None):
    """A card of which these vGPUs exist, as discovery would read it."""
    prefix = PREFIX[type(behaviour)]
    available = left_of(behaviour, [group for _, group in existing])
    read = tuple(
        dataclasses.replace(
            profiles.parse(
                f'{prefix}-{t.group}',
                t.name,
                t.description,
                available[t.group],
            ),
            per_card=per_guest,
        )
        for t in behaviour.types()
    )
    slugs = {p.type_id: p.slug for p in read}
    return model.Gpu(
        functions.function(ADDRESS, driver=prefix),
        (),
        'NVIDIA',
        'Tesla T4',
        shares=(
            model.Share(
                'mdev',
                size_rules.EQUAL_SIZE
                if prefix == 'nvidia'
                else profiles.rule(read),
                ADDRESS,
                read,
                tuple(
                    _vgpu(u, slugs[f'{prefix}-{group}'])
                    for u, group in existing
                ),
            ),
        ),
    )


def _vgpu(mdev_uuid, slug):
    slot = vgpu.slot_of(mdev_uuid, 'mdev', ADDRESS, slug)
    return model.Vgpu(str(mdev_uuid), slug, slot)


def with_share(gpu, **changes):
    """The same card, with changes to the way in which it is shared."""
    (share,) = gpu.shares
    return dataclasses.replace(
        gpu, shares=(dataclasses.replace(share, **changes),)
    )


class Life(stateful.RuleBasedStateMachine):
    """Claims, builds, releases and strangers, in any order."""

    behaviours = st.one_of(
        st.just(NVIDIA),
        st.sampled_from([mdev.Gvtg(256), mdev.Gvtg(512), mdev.Gvtg(1024)]),
        st.builds(
            Ports,
            st.tuples(st.integers(4, 40), st.integers(4, 40)),
            st.lists(
                st.tuples(st.integers(1, 12), st.integers(1, 12)),
                min_size=1,
                max_size=4,
            ).map(tuple),
        ),
    )

    @stateful.initialize(
        behaviour=behaviours, per_guest=st.sampled_from((None, 1, 2))
    )
    def start(self, behaviour, per_guest):
        self.behaviour = behaviour
        self.per_guest = per_guest
        self.existing = {}  # uuid -> group
        self.claims = {}  # claim -> uuid of its vGPU once built, or None

    def gpu(self):
        existing = tuple(self.existing.items())
        return card(self.behaviour, existing, self.per_guest)

    def offers(self):
        gpu = self.gpu()
        default = default_profile.of(gpu, tuple(self.claims))
        return offers.offers(gpu, tuple(self.claims), default)

    def group_of(self, slug):
        return self.gpu().profile(slug).type_id.partition('-')[2]

    @stateful.rule(data=st.data())
    def claim(self, data):
        free = [offer for offer in self.offers() if offer.slots]
        if free:
            offer = data.draw(st.sampled_from(free))
            slot = data.draw(st.sampled_from(offer.slots))
            claim = model.Claim(offer.resource_class, str(slot))
            self.claims[claim] = None

    @stateful.rule(data=st.data())
    def build(self, data):
        waiting = [
            c
            for c, made in self.claims.items()
            if made is None and c.slot.kind == 'mdev'
        ]
        if waiting:
            claim = data.draw(st.sampled_from(waiting))
            made = vgpu.uuid_of(claim.slot, str(uuid.uuid4()))
            group = self.group_of(claim.slot.profile)
            left = left_of(self.behaviour, list(self.existing.values()))
            assert left[group] > 0, f'{claim} was promised and is refused'
            self.existing[made] = group
            self.claims[claim] = made

    @stateful.rule(data=st.data(), removed=st.booleans())
    def release(self, data, removed):
        """Release a claim; its vGPU may stay behind for a while."""
        if self.claims:
            claim = data.draw(st.sampled_from(list(self.claims)))
            made = self.claims.pop(claim)
            if removed:
                self.existing.pop(made, None)

    @stateful.rule(data=st.data())
    def sweep(self, data):
        kept = set(self.claims.values())
        leftovers = [u for u in self.existing if u not in kept]
        if leftovers:
            del self.existing[data.draw(st.sampled_from(leftovers))]

    @stateful.rule()
    def host_reboots(self):
        self.existing.clear()
        self.claims = dict.fromkeys(self.claims)

    @stateful.invariant()
    def everything_that_is_offered_can_be_built(self):
        pending = [
            self.group_of(c.slot.profile)
            for c, made in self.claims.items()
            if made is None and c.slot.kind == 'mdev'
        ]
        for offer in self.offers():
            built = list(self.existing.values())
            wanted = [
                self.group_of(slot.profile)
                for slot in offer.slots[:1] * offer.count
                if slot.kind == 'mdev'
            ]
            for group in [*pending, *wanted]:
                assert left_of(self.behaviour, built)[group] > 0, offer
                built.append(group)

    @stateful.invariant()
    def as_many_are_named_as_one_guest_may_have(self):
        for offer in self.offers():
            assert len({*offer.slots}) == min(
                offer.count, offer.per_card or offer.count
            )

    @stateful.invariant()
    def a_slot_is_offered_to_one_instance_only(self):
        held = {c.identifier for c in self.claims}
        for offer in self.offers():
            assert not held & {str(slot) for slot in offer.slots}

    @stateful.invariant()
    def a_whole_card_excludes_its_parts(self):
        free = {o.resource_class: o.slots for o in self.offers()}
        whole = [c for c in self.claims if c.slot.kind == model.WHOLE]
        if whole:
            assert not any(free.values()) and len(self.claims) == 1
        elif self.claims or self.existing:
            assert not free['PGPU']
        else:
            assert len(free['PGPU']) == 1

    @stateful.invariant()
    def nothing_is_withheld_when_nothing_is_pending(self):
        whole = any(c.slot.kind == model.WHOLE for c in self.claims)
        if whole or None in self.claims.values():
            return
        left = left_of(self.behaviour, list(self.existing.values()))
        for offer in self.offers():
            for slot in offer.slots[:1]:
                if slot.kind == 'mdev':
                    group = self.group_of(slot.profile)
                    assert offer.count == left[group]


LifeTest = Life.TestCase
LifeTest.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None
)


class DefaultProfileTest(unittest.TestCase):
    def test_largest_of_which_two_fit(self):
        self.assertEqual(
            'nvidia-t4-8q', default_profile.of(card(NVIDIA), ()).slug
        )
        gvtg = card(mdev.Gvtg(1024))
        self.assertEqual('intel-gvtg-v5-2', default_profile.of(gvtg, ()).slug)

    def test_operators_first_wish_that_the_card_has(self):
        chosen = default_profile.of(
            card(NVIDIA), (), ('nvidia-a40-*', 'nvidia-t4-2q', '*')
        )
        self.assertEqual('nvidia-t4-2q', chosen.slug)

    def test_profile_that_the_cards_vgpus_have(self):
        claim = model.Claim('VGPU', f'mdev:{ADDRESS}/0@nvidia-t4-1b')
        self.assertEqual(
            'nvidia-t4-1b',
            default_profile.of(card(NVIDIA), [claim]).slug,
        )
        existing = [(uuid.uuid4(), '102')]
        gpu = card(NVIDIA, existing)
        self.assertEqual(gpu.profiles[2], default_profile.of(gpu, ()))

    def test_profile_that_is_withheld_is_never_the_default(self):
        gpu = card(NVIDIA)
        gpu = with_share(
            gpu,
            profiles=tuple(
                dataclasses.replace(p, offered=p.slug == 'nvidia-t4-16q')
                for p in gpu.profiles
            ),
        )
        self.assertEqual('nvidia-t4-16q', default_profile.of(gpu, ()).slug)


class OffersTest(unittest.TestCase):
    def test_another_size_is_gone_with_the_first_claim(self):
        claim = model.Claim('VGPU', f'mdev:{ADDRESS}/0@nvidia-t4-8q')
        gpu = card(NVIDIA)
        default = default_profile.of(gpu, [claim])
        counts = {
            o.resource_class: len(o.slots)
            for o in offers.offers(gpu, [claim], default)
        }
        self.assertEqual(1, counts['VGPU'])
        self.assertEqual(1, counts['CUSTOM_VGPU_NVIDIA_T4_8B'])
        self.assertEqual(0, counts['CUSTOM_VGPU_NVIDIA_T4_4Q'])
        self.assertEqual(0, counts['PGPU'])

    def test_slot_of_a_leftover_is_not_given_out(self):
        slot = model.Slot('mdev', ADDRESS, 0, 'nvidia-t4-8q')
        left = vgpu.uuid_of(slot, 'an instance that is gone')
        gpu = card(NVIDIA, [(left, '106')])
        self.assertEqual('GRID T4-8Q', gpu.profile('nvidia-t4-8q').name)
        default = gpu.profile('nvidia-t4-8q')
        free = {
            o.resource_class: o.slots for o in offers.offers(gpu, (), default)
        }
        self.assertEqual([1], [s.index for s in free['VGPU']])

    def test_claim_that_cannot_be_read_leaves_nothing(self):
        claim = model.Claim('VGPU', 'vf:0000:3b:00.4@nvidia-l40s-8q')
        gpu = card(NVIDIA)
        for offer in offers.offers(gpu, [claim], gpu.profiles[0]):
            self.assertEqual((), offer.slots)

    def test_refused_card_offers_nothing(self):
        gpu = dataclasses.replace(card(NVIDIA), refusal='it is broken')
        self.assertEqual((), offers.offers(gpu, (), None))

    def test_card_that_cannot_go_whole_still_gives_vgpus(self):
        gpu = dataclasses.replace(
            card(NVIDIA), whole_refusal='it is the boot VGA'
        )
        classes = {
            o.resource_class for o in offers.offers(gpu, (), gpu.profiles[0])
        }
        self.assertNotIn('PGPU', classes)
        self.assertIn('VGPU', classes)


class ContradictionTest(unittest.TestCase):
    def claims(self, *texts):
        return [model.Claim('VGPU', text) for text in texts]

    def test_claims_that_hold_together(self):
        claims = self.claims(
            f'mdev:{ADDRESS}/0@nvidia-t4-2q', f'mdev:{ADDRESS}/1@nvidia-t4-2b'
        )
        self.assertIsNone(exclusion.contradiction(card(NVIDIA), claims))

    def test_same_slot_twice(self):
        text = f'mdev:{ADDRESS}/0@nvidia-t4-2q'
        found = exclusion.contradiction(card(NVIDIA), self.claims(text, text))
        self.assertEqual(f'{text} is claimed 2 times', found)

    def test_whole_card_beside_a_part_of_it(self):
        part = f'mdev:{ADDRESS}/0@nvidia-t4-2q'
        found = exclusion.contradiction(
            card(NVIDIA), self.claims(f'passthrough:{ADDRESS}', part)
        )
        self.assertEqual(f'the whole card is claimed beside {part}', found)

    def test_two_sizes(self):
        found = exclusion.contradiction(
            card(NVIDIA),
            self.claims(
                f'mdev:{ADDRESS}/0@nvidia-t4-2q',
                f'mdev:{ADDRESS}/1@nvidia-t4-4q',
            ),
        )
        self.assertEqual(
            'vGPUs of different sizes are claimed: GRID T4-2Q, GRID T4-4Q',
            found,
        )


class SeveralProfilesTest(unittest.TestCase):
    """Nova takes a slot for each class of a request, whatever the others."""

    def profile(self, slug, per_card):
        return model.Profile(
            slug,
            slug,
            slug,
            available=3,
            max_instances=3,
            places=tuple(
                dataclasses.replace(ADDRESS, function=n) for n in range(1, 7)
            ),
            per_card=per_card,
        )

    def named(self, per_card):
        """Which VFs are named for each of two profiles of a card."""
        profiles_ = tuple(self.profile(slug, per_card) for slug in 'ab')
        gpu = model.Gpu(
            functions.function(ADDRESS),
            (),
            vendor='NVIDIA',
            model='L40S',
            whole_refusal='it has VFs',
            shares=(
                model.Share(
                    'vendor-vfio',
                    size_rules.INDEPENDENT,
                    profiles=profiles_,
                ),
            ),
        )
        return [
            {slot.device for slot in offer.slots}
            for offer in offers.offers(gpu, (), None)
        ]

    def test_each_class_names_vfs_of_its_own_while_there_are_any(self):
        one, other = self.named(per_card=2)
        self.assertEqual((2, 2), (len(one), len(other)))
        self.assertEqual(set(), one & other)

    def test_where_a_guest_may_have_one_the_first_is_named(self):
        one, other = self.named(per_card=1)
        self.assertEqual(one, other)
