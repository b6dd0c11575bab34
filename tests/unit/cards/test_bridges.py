"""Cards that NVLinks join directly go to one guest, and sets are of them."""

import unittest

from nova_gpuvirt.cards import bridges
from nova_gpuvirt.cards import topology
from tests.unit.cards.places import address
from tests.unit.cards.places import cards
from tests.unit.cards.places import gpu

_NVIDIA = 0x10DE


def joined(*groups, unknown=()):
    return bridges.Bridges(
        {
            address(n): frozenset(map(address, group))
            for group in groups
            for n in group
        },
        frozenset(map(address, unknown)),
    )


class AloneTest(unittest.TestCase):
    def test_card_of_a_pair_goes_with_the_other_alone(self):
        why = joined((1, 3)).why_not_alone(address(1))
        self.assertIn('0000:03:00.0', why)
        self.assertIn('ask for CUSTOM_GPU_SET_2', why)

    def test_card_without_a_bridge_goes_alone(self):
        for known in (bridges.NONE, joined((1, 3))):
            self.assertIsNone(known.why_not_alone(address(2)))

    def test_unknown_is_not_no(self):
        why = joined((1, 3), unknown=[2]).why_not_alone(address(2))
        self.assertIn("while NVIDIA's driver has it", why)


class FabricTest(unittest.TestCase):
    def fabric(self, found, known):
        (fabric,) = topology.fabrics(found, {}, None, known)
        return fabric

    def test_pairs_are_the_bridged_ones(self):
        found = [gpu(n, 0) for n in (1, 2, 3, 4)]
        fabric = self.fabric(found, joined((1, 3), (2, 4)))
        self.assertEqual(topology.Kind.NVLINK, fabric.kind)
        self.assertEqual(
            (cards(1, 3), cards(2, 4), cards(1, 2, 3, 4)), fabric.sets
        )
        self.assertEqual({}, fabric.reasons)

    def test_cards_of_other_kinds_are_in_no_set(self):
        found = [gpu(n, 0) for n in (1, 2, 3, 4, 5)]
        fabric = self.fabric(found, joined((1, 3), (4, 9), unknown=[5]))
        self.assertEqual((cards(1, 3),), fabric.sets)
        self.assertIn('no NVLink', fabric.reasons[address(2)])
        self.assertIn('0000:09:00.0', fabric.reasons[address(4)])
        self.assertIn('not known', fabric.reasons[address(5)])

    def test_four_that_are_joined_are_one_set(self):
        found = [gpu(n, 0) for n in (1, 2, 3, 4, 5, 6)]
        fabric = self.fabric(found, joined((1, 2, 3, 4), (5, 6)))
        self.assertEqual((cards(5, 6), cards(1, 2, 3, 4)), fabric.sets)

    def test_models_without_bridges_are_joined_by_nearness(self):
        found = [gpu(n, 0) for n in (1, 2)]
        fabric = self.fabric(found, joined((7, 8)))
        self.assertEqual(topology.Kind.PCIE, fabric.kind)
        self.assertEqual((cards(1, 2),), fabric.sets)

    def test_card_that_was_not_asked_yet_is_in_no_set(self):
        found = [gpu(n, 0) for n in (1, 2, 3)]
        known = bridges.Bridges(unasked=frozenset({address(2)}))
        fabric = self.fabric(found, known)
        self.assertTrue(all(address(2) not in s.cards for s in fabric.sets))
        self.assertIn('periodic', fabric.reasons[address(2)])
        self.assertIn('periodic', known.why_not_alone(address(2)))
