"""What is free of a fabric's sets fits beside each other."""

import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import free_sets
from nova_gpuvirt.cards import topology
from tests.unit.cards.places import address
from tests.unit.cards.places import cards

# Sets of any shape, as a table of partitions could have them.
families = st.sets(
    st.builds(
        model.CardSet.of,
        st.sets(st.integers(0, 7).map(address), min_size=2, max_size=4),
    ),
    max_size=10,
)


class FreeTest(unittest.TestCase):
    def fabric(self, sets, active=()):
        return topology.Fabric(
            topology.Kind.NVSWITCH,
            (0x10DE, 0x1234),
            'V',
            'M',
            (),
            tuple(sorted(sets)),
            frozenset(frozenset(s.cards) for s in active),
        )

    @given(families, st.sets(st.integers(0, 7).map(address)))
    def test_any_of_a_class_can_be_claimed_one_after_another(
        self, sets, whole
    ):
        for rc, free in free_sets.free(self.fabric(sets), whole).items():
            taken = [card for s in free for card in s.cards]
            self.assertEqual(len(taken), len(set(taken)))
            self.assertLessEqual({*taken}, whole)
            for s in free:
                self.assertEqual(rc, s.resource_class)
                self.assertIn(s, sets)

    @given(families, st.sets(st.integers(0, 7).map(address)))
    def test_as_many_are_offered_as_fit(self, sets, whole):
        for rc, free in free_sets.free(self.fabric(sets), whole).items():
            fitting = [
                s
                for s in sets
                if s.resource_class == rc and {*s.cards} <= whole
            ]
            more = itertools.combinations(fitting, len(free) + 1)
            self.assertTrue(
                all(
                    len({c for s in some for c in s.cards})
                    < sum(len(s.cards) for s in some)
                    for some in more
                )
            )

    def test_those_that_break_no_larger_set_are_chosen(self):
        # Of the two pairs with card 5 one is outside of the set of four.
        fabric = self.fabric([cards(1, 2, 3, 5), cards(3, 5), cards(4, 5)])
        whole = {address(n) for n in (1, 2, 3, 4, 5)}
        free = free_sets.free(fabric, whole)
        self.assertEqual(1, len(free['CUSTOM_GPU_SET_2']))
        fabric = self.fabric([cards(1, 2, 3, 4), cards(4, 5), cards(5, 6)])
        free = free_sets.free(fabric, whole | {address(6)})
        self.assertEqual((cards(5, 6),), free['CUSTOM_GPU_SET_2'])

    def test_active_partition_keeps_its_cards_from_other_sets(self):
        sets = [cards(1, 2), cards(3, 4), cards(1, 2, 3, 4)]
        free = free_sets.free(
            self.fabric(sets, active=[cards(1, 2)]),
            {address(n) for n in (1, 2, 3, 4)},
        )
        self.assertEqual((cards(1, 2), cards(3, 4)), free['CUSTOM_GPU_SET_2'])
        self.assertEqual((), free['CUSTOM_GPU_SET_4'])

    def test_class_of_which_nothing_is_left_is_there(self):
        free = free_sets.free(self.fabric([cards(1, 2)]), set())
        self.assertEqual({'CUSTOM_GPU_SET_2': ()}, free)
