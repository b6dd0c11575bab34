"""Placement is told of sets, and a claim of one takes its cards."""

import dataclasses
import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import topology
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import providers
from tests.unit.cards import test_topology

_FABRIC = model.FabricName(0)
_cards = test_topology.cards


def claim(cards):
    slot = model.Slot(model.SET, cards)
    return model.Claim(cards.resource_class, str(slot))


def report(gpus, known=None):
    fabrics = topology.fabrics(gpus, {}, None)
    return {
        provider.name.removeprefix('n_gpuvirt_'): provider
        for provider in providers.providers(
            'n', gpus, (), known or {}, fabrics=fabrics
        )
    }


def known_of(provider, claims=()):
    return inventory.Known(provider.inventories, provider.traits, claims)


def free(provider, rc, claims=()):
    return {c.identifier for c in provider.resources[rc] - {*claims}}


class SetsTest(unittest.TestCase):
    def setUp(self):
        self.gpus = [test_topology.gpu(n) for n in range(1, 9)]

    def test_fabric_is_one_provider_with_a_class_for_each_size(self):
        fabric = report(self.gpus)['fabric0']
        self.assertEqual(
            {2: 4, 4: 2, 8: 1},
            {
                int(rc.rpartition('_')[2]): i['total']
                for rc, i in fabric.inventories.items()
            },
        )
        self.assertEqual(
            {
                'OWNER_NOVA',
                'CUSTOM_GPU_KIND_SET',
                'CUSTOM_GPU_FABRIC_PCIE',
                'CUSTOM_GPU_MODEL_M',
                'CUSTOM_GPU_VENDOR_V',
                'CUSTOM_GPU_ID_10DE_1234',
            },
            fabric.traits,
        )

    @given(st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)))
    def test_claims_of_cards_and_sets_take_each_other(self, cards, pairs):
        # Pairs of those that are in no claim of a card.
        sets = [
            _cards(n, n + 1)
            for n in (1, 3, 5, 7)
            if n in pairs and not {n, n + 1} & cards
        ]
        known = {
            test_topology.address(n): inventory.Known(
                {},
                (),
                [
                    model.Claim(
                        'PGPU', f'passthrough:{test_topology.address(n)}'
                    )
                ],
            )
            for n in cards
        }
        held = [claim(s) for s in sets]
        known[_FABRIC] = inventory.Known(
            {}, ('CUSTOM_GPU_ID_10DE_1234',), held
        )
        taken = {test_topology.address(n) for n in cards}
        taken |= {card for s in sets for card in s.cards}
        told = report(self.gpus, known)
        for gpu in self.gpus:
            provider = told[str(gpu.address)]
            mine = known.get(gpu.address, inventory.UNKNOWN).claims
            self.assertEqual(
                gpu.address not in taken, bool(free(provider, 'PGPU', mine))
            )
        for rc in told['fabric0'].resources:
            for identifier in free(told['fabric0'], rc, held):
                cards_of = model.Slot.parse(identifier).device
                self.assertFalse(cards_of.overlaps(taken))
        count = sum(
            not {test_topology.address(n), test_topology.address(n + 1)}
            & taken
            for n in (1, 3, 5, 7)
        )
        self.assertEqual(
            count, len(free(told['fabric0'], 'CUSTOM_GPU_SET_2', held))
        )

    def test_size_that_is_no_more_goes_when_nobody_uses_it(self):
        rc = 'CUSTOM_GPU_SET_16'
        known = {
            _FABRIC: inventory.Known(
                {rc: {'total': 1}}, ('CUSTOM_GPU_ID_10DE_1234',), ()
            )
        }
        emptied = report(self.gpus, known)['fabric0']
        self.assertEqual({rc}, emptied.retired)
        self.assertEqual(1, emptied.inventories[rc]['reserved'])
        known[_FABRIC] = dataclasses.replace(known[_FABRIC], unused={rc})
        self.assertNotIn(rc, report(self.gpus, known)['fabric0'].inventories)

    def test_claim_that_can_not_be_read_may_be_on_any_card(self):
        odd = model.Claim('CUSTOM_GPU_SET_2', 'set:of-another-version')
        known = {
            _FABRIC: inventory.Known({}, ('CUSTOM_GPU_ID_10DE_1234',), [odd])
        }
        told = report(self.gpus, known)
        self.assertEqual(
            {odd},
            {
                c
                for p in told.values()
                for cs in p.resources.values()
                for c in cs
            },
        )

    def test_contradictions_are_told(self):
        gpu = self.gpus[0]
        for claims in (
            [claim(_cards(1, 2)), claim(_cards(1, 2, 3, 4))],
            [
                claim(_cards(1, 2)),
                model.Claim('PGPU', f'passthrough:{gpu.address}'),
            ],
            [claim(_cards(1, 2))] * 2,
        ):
            self.assertIsNotNone(exclusion.contradiction(gpu, claims))
        self.assertIsNone(exclusion.contradiction(gpu, [claim(_cards(1, 2))]))


class FabricNameTest(unittest.TestCase):
    def model(self, device, *numbers, **changes):
        return [
            test_topology.gpu(n, device_id=device, **changes) for n in numbers
        ]

    def test_models_have_fabrics_of_their_own_and_keep_them(self):
        first = self.model(2, 1, 2)
        told = report(first)
        known = {_FABRIC: known_of(told['fabric0'])}
        # The other model has a smaller number, and comes later.
        told = report(self.model(1, 5, 6) + first, known)
        self.assertIn('CUSTOM_GPU_ID_10DE_0002', told['fabric0'].traits)
        self.assertIn('CUSTOM_GPU_ID_10DE_0001', told['fabric1'].traits)

    def test_fabric_without_traits_is_found_again(self):
        # It was created, and its traits were not written.
        fine = self.model(2, 1, 2)
        for before in (inventory.UNKNOWN, known_of(report(fine)['fabric0'])):
            nameless = dataclasses.replace(before, traits=())
            told = report(fine, {_FABRIC: nameless})
            self.assertEqual({'fabric0'}, {n for n in told if 'fabric' in n})
            self.assertIn('CUSTOM_GPU_ID_10DE_0002', told['fabric0'].traits)

    def test_fabrics_that_earlier_tries_left_are_used_first(self):
        left = {
            model.FabricName(n): inventory.Known({}, {trait_names.MISSING}, ())
            for n in (0, 1)
        }
        told = report(self.model(2, 1, 2), left)
        self.assertIn('CUSTOM_GPU_ID_10DE_0002', told['fabric0'].traits)
        self.assertIn(trait_names.MISSING, told['fabric1'].traits)
        # Of two models each has its own.
        told = report(self.model(1, 5, 6) + self.model(2, 1, 2), left)
        self.assertNotIn('fabric2', told)

    def test_claims_tell_whose_a_fabric_without_traits_is(self):
        gpus = self.model(1, 5, 6) + self.model(2, 1, 2)
        held = claim(_cards(1, 2))
        odd = model.Claim('CUSTOM_GPU_SET_2', 'set:of-another-version')
        for one, other, number in (
            (held, None, '0002'),
            (claim(_cards(5, 6)), None, '0001'),
            (claim(_cards(5, 6)), held, '0001'),
        ):
            left = {
                model.FabricName(n): inventory.Known({}, (), [c] if c else ())
                for n, c in enumerate((one, other))
            }
            told = report(gpus, left)
            name = f'CUSTOM_GPU_ID_10DE_{number}'
            self.assertIn(name, told['fabric0'].traits)
            self.assertNotIn('fabric2', told)
        for strange in (odd, claim(_cards(1, 5)), claim(_cards(7, 8))):
            left = {_FABRIC: inventory.Known({}, (), [strange])}
            told = report(gpus, left)
            self.assertEqual({trait_names.MISSING}, told['fabric0'].traits)
            self.assertIn('fabric2', told)

    def test_provider_stays_when_its_cards_go_or_fall_sick(self):
        held = claim(_cards(1, 2))
        fine = self.model(2, 1, 2)
        before = report(fine)['fabric0']
        known = {_FABRIC: known_of(before, [held])}
        for gpus, trait in (
            ([], trait_names.MISSING),
            (self.model(2, 1), None),
            (self.model(2, 1, 2, refusal='sick'), trait_names.QUARANTINED),
        ):
            told = report(gpus, known)['fabric0']
            self.assertEqual({held}, told.resources['CUSTOM_GPU_SET_2'])
            self.assertEqual(
                {trait} - {None},
                told.traits & {trait_names.MISSING, trait_names.QUARANTINED},
            )
            again = report(fine, {_FABRIC: known_of(told, [held])})
            self.assertEqual(before.traits, again['fabric0'].traits)

    def test_cards_that_are_not_to_be_had_have_no_fabric(self):
        for changes in ({'whole_refusal': 'x'}, {'in_sets': False}):
            self.assertNotIn('fabric0', report(self.model(2, 1, 2, **changes)))
