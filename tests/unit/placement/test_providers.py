"""Placement is told what can be claimed, and loses nothing that is."""

import dataclasses
import unittest

import os_traits

from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.placement import inventory as inventory_
from nova_gpuvirt.placement import providers
from tests.unit.cards import test_offers

ADDRESS = test_offers.ADDRESS
NAME = 'node1_gpuvirt_0000:3b:00.0'
WHOLE = model.Claim('PGPU', f'passthrough:{ADDRESS}')
VGPU = model.Claim('VGPU', f'mdev:{ADDRESS}/0@nvidia-t4-8q')


def card(**changes):
    return dataclasses.replace(test_offers.card(test_offers.NVIDIA), **changes)


def report(gpus, known=None, unreadable=()):
    return providers.providers('node1', gpus, unreadable, known or {})


def after(provider, claims=()):
    """What Placement knows when it was told of a provider."""
    return {
        ADDRESS: inventory_.Known(
            provider.inventories, provider.traits, claims
        )
    }


class NameTest(unittest.TestCase):
    def test_name_tells_the_card(self):
        self.assertEqual(NAME, providers.provider_name('node1', ADDRESS))
        self.assertEqual(ADDRESS, providers.address_of('node1', NAME))

    def test_other_providers_are_not_ours(self):
        for name in ('node1', 'node1_pci_0000_3b_00_0', 'node1_0000:3b:00.0'):
            self.assertIsNone(providers.address_of('node1', name))
        self.assertIsNone(providers.address_of('node', NAME))


class ProviderTest(unittest.TestCase):
    def test_every_class_of_a_card_stands_on_one_provider(self):
        (provider,) = report([card()])
        self.assertEqual(NAME, provider.name)
        totals = {rc: i['total'] for rc, i in provider.inventories.items()}
        for rc, total in (
            ('PGPU', 1),
            ('VGPU', 2),
            ('CUSTOM_VGPU_NVIDIA_T4_1B', 16),
        ):
            self.assertEqual(total, totals[rc])
        self.assertEqual(12, len(totals))
        for rc, inventory in provider.inventories.items():
            self.assertEqual(len(provider.resources[rc]), inventory['total'])

    def test_claims_are_published_beside_what_is_free(self):
        known = {ADDRESS: inventory_.Known({}, (), (VGPU,))}
        (provider,) = report([card()], known)
        self.assertIn(VGPU, provider.resources['VGPU'])
        self.assertEqual(2, provider.inventories['VGPU']['total'])
        free = provider.resources['VGPU'] - {VGPU}
        self.assertEqual(
            {f'mdev:{ADDRESS}/1@nvidia-t4-8q'}, {c.identifier for c in free}
        )

    def test_nothing_left_is_one_reserved(self):
        known = {ADDRESS: inventory_.Known({}, (), (WHOLE,))}
        (provider,) = report([card()], known)
        self.assertEqual(
            {
                'total': 1,
                'reserved': 1,
                'min_unit': 1,
                'max_unit': 1,
                'step_size': 1,
                'allocation_ratio': 1.0,
            },
            provider.inventories['VGPU'],
        )
        self.assertEqual(frozenset(), provider.resources['VGPU'])
        self.assertEqual(0, provider.inventories['PGPU']['reserved'])

    def test_one_vgpu_a_guest_where_the_driver_wants_it(self):
        (provider,) = report(
            [test_offers.card(test_offers.NVIDIA, per_guest=1)]
        )
        self.assertEqual(1, provider.inventories['VGPU']['max_unit'])
        (provider,) = report([test_offers.card(test_offers.NVIDIA)])
        self.assertEqual(2, provider.inventories['VGPU']['max_unit'])

    def test_guest_with_more_than_it_could_have_now_can_move(self):
        # Placement refuses any allocation of it beyond max_unit.
        other = model.Claim('VGPU', f'mdev:{ADDRESS}/1@nvidia-t4-8q')
        limited = test_offers.card(test_offers.NVIDIA, per_guest=1)
        for before, claims, most in (
            (2, (VGPU, other), 2),
            (16, (VGPU, other), 2),
            (1, (VGPU, other), 1),
            (2, (VGPU,), 1),
            (2, (), 1),
        ):
            known = inventory_.Known(
                {'VGPU': {'max_unit': before}}, (), claims
            )
            (provider,) = report([limited], {ADDRESS: known})
            self.assertEqual(most, provider.inventories['VGPU']['max_unit'])

    def test_a_guest_is_offered_no_more_slots_than_it_may_have(self):
        known = {ADDRESS: inventory_.Known({}, (), (VGPU,))}
        limited = test_offers.card(test_offers.NVIDIA, per_guest=1)
        (provider,) = report([limited])
        self.assertEqual(1, len(provider.resources['VGPU']))
        self.assertEqual(2, provider.inventories['VGPU']['total'])
        (provider,) = report([limited], known)
        self.assertEqual(2, len(provider.resources['VGPU']))
        self.assertIn(VGPU, provider.resources['VGPU'])
        self.assertEqual(2, provider.inventories['VGPU']['total'])

    def test_card_that_gives_nothing_has_no_provider(self):
        nothing = card(whole_refusal='boot VGA', shares=())
        self.assertEqual((), report([nothing]))
        self.assertEqual((), report([card(refusal='a BMC')]))


class AgainTest(unittest.TestCase):
    """A card for which nothing changed has the provider that it had."""

    def again(self, gpu, known):
        """Tell it as it was told before, and with this that is known now."""
        before = {ADDRESS: self.before}
        (told,) = providers.providers('node1', [gpu], (), known, last=before)
        (anew,) = report([gpu], known)
        self.assertEqual(anew, told)
        return told

    def setUp(self):
        self.card = card()
        self.known = {ADDRESS: inventory_.Known({}, (), (VGPU,))}
        (self.before,) = report([self.card], self.known)

    def test_it_is_the_same(self):
        known = after(self.before, (VGPU,))
        self.assertIs(self.before, self.again(self.card, known))

    def test_what_changes_makes_another(self):
        known = after(self.before, (VGPU,))
        (now,) = known.values()
        for gpu, changed in (
            (self.card, dataclasses.replace(now, claims=())),
            (self.card, dataclasses.replace(now, claims=(WHOLE,))),
            (
                self.card,
                dataclasses.replace(now, traits={*now.traits, 'CUSTOM_A'}),
            ),
            (
                self.card,
                dataclasses.replace(
                    now, inventories={**now.inventories, 'CUSTOM_OLD': {}}
                ),
            ),
            (card(whole_refusal='boot VGA'), now),
            (card(refusal='it fell off the bus'), now),
        ):
            self.assertIsNot(self.before, self.again(gpu, {ADDRESS: changed}))


class TraitsTest(unittest.TestCase):
    def test_traits_say_what_the_card_and_its_vgpus_are(self):
        (provider,) = report([card()])
        self.assertEqual(
            {
                'OWNER_NOVA',
                'CUSTOM_GPU_VENDOR_NVIDIA',
                'CUSTOM_GPU_MODEL_TESLA_T4',
                'CUSTOM_GPU_ID_10DE_1EB8',
                'CUSTOM_GPU_KIND_PASSTHROUGH',
                'CUSTOM_GPU_KIND_MDEV',
                'CUSTOM_GPU_PROFILE_NVIDIA_T4_8Q',
                'CUSTOM_GPU_FRAMEBUFFER_8192M',
                'CUSTOM_GPU_FRAME_RATE_LIMIT_60',
                'HW_GPU_MAX_DISPLAY_HEADS_4',
            },
            provider.traits,
        )

    def test_only_words_that_placement_has_are_used(self):
        (provider,) = report([card()])
        standard = {t for t in provider.traits if not t.startswith('CUSTOM_')}
        self.assertLessEqual(standard, set(os_traits.get_traits()))

    def test_traits_of_others_stay_and_stale_ones_of_ours_go(self):
        known = inventory_.Known(
            {},
            ('CUSTOM_RACK_7', 'CUSTOM_GPU_MISSING', 'CUSTOM_GPU_PROFILE_X'),
            (),
        )
        (provider,) = report([card()], {ADDRESS: known})
        self.assertIn('CUSTOM_RACK_7', provider.traits)
        self.assertNotIn('CUSTOM_GPU_MISSING', provider.traits)
        self.assertNotIn('CUSTOM_GPU_PROFILE_X', provider.traits)


class GoneTest(unittest.TestCase):
    def setUp(self):
        (self.before,) = report([card()])

    def test_missing_card_keeps_its_provider_and_its_claim(self):
        (provider,) = report([], after(self.before, (VGPU,)))
        self.assertEqual(
            {
                'CUSTOM_GPU_MISSING',
                'CUSTOM_GPU_ID_10DE_1EB8',
                'CUSTOM_GPU_MODEL_TESLA_T4',
                'CUSTOM_GPU_VENDOR_NVIDIA',
            },
            self.own(provider),
        )
        self.assertEqual({VGPU}, provider.resources['VGPU'])
        self.assertEqual(1, provider.inventories['VGPU']['total'])
        self.assertEqual(0, provider.inventories['VGPU']['reserved'])
        self.assertEqual(1, provider.inventories['PGPU']['reserved'])

    def test_missing_card_without_a_claim_says_no_more_what_it_was(self):
        (provider,) = report([], after(self.before))
        self.assertEqual({'CUSTOM_GPU_MISSING'}, self.own(provider))

    def test_card_that_cannot_be_read_is_quarantined(self):
        known = after(self.before)
        for found, unreadable in (
            ([card(refusal='its class is nonsense')], ()),
            ([], (ADDRESS,)),
        ):
            (provider,) = report(found, known, unreadable)
            self.assertEqual({'CUSTOM_GPU_QUARANTINED'}, self.own(provider))
            self.assertFalse(any(provider.resources.values()))

    def test_class_that_is_gone_is_emptied_and_stays(self):
        known = after(self.before)
        for _ in range(3):
            (emptied,) = report([], known)
            self.assertEqual(
                self.before.inventories.keys(), emptied.inventories.keys()
            )
            for inventory in emptied.inventories.values():
                self.assertEqual(1, inventory['reserved'])
            known = after(emptied)

    def test_class_of_another_card_goes_when_nobody_uses_it(self):
        other = {'total': 1, 'reserved': 1}
        known = self.beside(CUSTOM_VGPU_OTHER=other)
        (emptied,) = report([card()], {ADDRESS: known})
        self.assertEqual({'CUSTOM_VGPU_OTHER'}, emptied.retired)
        self.assertIn('CUSTOM_VGPU_OTHER', emptied.inventories)
        unused = dataclasses.replace(known, unused=emptied.retired)
        (without,) = report([card()], {ADDRESS: unused})
        self.assertEqual(
            self.before.inventories.keys(), without.inventories.keys()
        )
        self.assertEqual(without.inventories.keys(), without.resources.keys())
        self.assertEqual(frozenset(), without.retired)

    def test_class_of_another_card_stays_while_it_may_be_this_ones(self):
        known = self.beside(CUSTOM_VGPU_OTHER={'total': 1, 'reserved': 1})
        for claims, gpu in (
            ((VGPU,), card()),
            ((WHOLE,), card(shares=())),
            ((), card(refusal='its class is nonsense')),
            ((), card(dirty=frozenset({WHOLE.slot}))),
            ((), card(withheld='it is not made what it shall be')),
        ):
            known = dataclasses.replace(
                known, claims=claims, unused={'CUSTOM_VGPU_OTHER'}
            )
            if gpu.withheld:
                gpu = operator_filter.OperatorFilter().narrow(gpu)
            (provider,) = report([gpu], {ADDRESS: known})
            self.assertIn('CUSTOM_VGPU_OTHER', provider.inventories)
            self.assertEqual(frozenset(), provider.retired)

    def test_card_in_quarantine_keeps_its_own_classes(self):
        known = self.beside(CUSTOM_VGPU_OTHER={'total': 1, 'reserved': 1})
        gpu = operator_filter.OperatorFilter().narrow(
            card(withheld='it is in quarantine', quarantined=True)
        )
        (provider,) = report([gpu], {ADDRESS: known})
        self.assertEqual({'CUSTOM_VGPU_OTHER'}, provider.retired)

    def beside(self, **inventories):
        """What is known of a provider that has had other classes too."""
        return inventory_.Known(
            {**self.before.inventories, **inventories}, self.before.traits, ()
        )

    def test_card_that_is_withheld_keeps_what_is_claimed(self):
        withheld = operator_filter.OperatorFilter(exclude=('*',)).narrow(
            card()
        )
        (provider,) = report([withheld], after(self.before, (VGPU,)))
        self.assertEqual({VGPU}, provider.resources['VGPU'])
        self.assertEqual(1, provider.inventories['PGPU']['reserved'])
        self.assertIn('CUSTOM_GPU_MODEL_TESLA_T4', provider.traits)
        self.assertNotIn('CUSTOM_GPU_QUARANTINED', provider.traits)
        self.assertEqual((), report([withheld]))

    def test_classes_stay_while_the_whole_card_is_claimed(self):
        # With vfio-pci bound, a card shows no profiles to its host.
        bound = card(shares=())
        known = after(self.before, (WHOLE,))
        for _ in range(3):
            (provider,) = report([bound], known)
            self.assertEqual(
                self.before.inventories.keys(), provider.inventories.keys()
            )
            known = after(provider, (WHOLE,))

    def test_claim_of_an_unknown_kind_is_never_dropped(self):
        strange = model.Claim('CUSTOM_GPU_SET_2', 'set:x+y')
        (provider,) = report([card()], after(self.before, (strange,)))
        self.assertEqual({strange}, provider.resources['CUSTOM_GPU_SET_2'])
        self.assertEqual(1, provider.inventories['VGPU']['reserved'])

    @staticmethod
    def own(provider):
        return {t for t in provider.traits if t.startswith('CUSTOM_GPU')}


class OneNameTest(unittest.TestCase):
    def test_provider_has_one_name(self):
        name = 'host1_gpuvirt_0000:3b:00.0'
        card = model.PciAddress.parse('0000:3b:00.0')
        self.assertEqual(card, providers.address_of('host1', name))
        for other in (
            'host1_gpuvirt_0000:3B:00.0',
            'host1_gpuvirt_00000000:3b:00.0',
            'host1_gpuvirt_ 0000:3b:00.0',
        ):
            self.assertIsNone(providers.address_of('host1', other))
