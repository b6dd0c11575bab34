"""Near cards are joined, and a set never cuts a smaller one."""

import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.cards import nearness
from tests.unit.cards.places import address
from tests.unit.cards.places import cards
from tests.unit.cards.places import function

functions = st.lists(
    st.tuples(
        st.sampled_from((None, 0, 1)), st.integers(0, 3), st.integers(0, 2)
    ),
    min_size=2,
    max_size=20,
).map(
    lambda places: tuple(
        function(
            n, node, f'pci0000:{root:02x}', f'0000:{root:02x}:0{switch}.0'
        )
        for n, (node, root, switch) in enumerate(places)
    )
)


class NearTest(unittest.TestCase):
    @given(functions)
    def test_sizes_are_powers_of_two_that_fit(self, found):
        sets = nearness.near(found)
        for size in (2, 4, 8, 16):
            of_size = [s for s in sets if len(s.cards) == size]
            self.assertEqual(len(found) // size, len(of_size))
        self.assertLessEqual({len(s.cards) for s in sets}, {2, 4, 8, 16})

    @given(functions)
    def test_sets_never_cut_each_other(self, found):
        for a, b in itertools.combinations(nearness.near(found), 2):
            common = {*a.cards} & {*b.cards}
            self.assertIn(common, ({*a.cards}, {*b.cards}, set()))
            if len(a.cards) == len(b.cards):
                self.assertEqual(set(), common)

    @given(functions)
    def test_order_of_discovery_does_not_matter(self, found):
        self.assertEqual(nearness.near(found), nearness.near(found[::-1]))

    def test_cards_behind_one_switch_come_first(self):
        found = (
            function(1, 0, 'pci0000:00', '0000:00:01.0', '0000:01:08.0'),
            function(2, 0, 'pci0000:00', '0000:00:02.0', '0000:02:08.0'),
            function(3, 0, 'pci0000:00', '0000:00:01.0', '0000:01:09.0'),
            function(4, 0, 'pci0000:00', '0000:00:02.0', '0000:02:09.0'),
        )
        self.assertEqual(
            (cards(1, 3), cards(2, 4), cards(1, 2, 3, 4)),
            nearness.near(found),
        )

    def test_then_cards_of_a_numa_node_and_then_any(self):
        found = tuple(function(n, n % 2, f'pci0000:{n:02x}') for n in range(6))
        self.assertEqual(
            [cards(0, 2), cards(4, 5), cards(1, 3)],
            [s for s in nearness.near(found) if len(s.cards) == 2],
        )

    @given(functions)
    def test_what_is_joined_already_stays_together(self, found):
        pairs = frozenset(
            frozenset(f.address for f in pair)
            for pair in zip(found[::2], found[1::2], strict=False)
        )
        even = found[: len(found) // 2 * 2]
        sets = nearness.near(even, pairs)
        self.assertEqual(
            {*pairs}, {frozenset(s.cards) for s in sets if len(s.cards) == 2}
        )
        for found_set in sets:
            for pair in pairs:
                self.assertIn(len(pair & {*found_set.cards}), (0, 2))

    def test_pairs_that_are_near_make_fours(self):
        found = tuple(
            function(n, n // 4, f'pci0000:{n:02x}') for n in range(8)
        )
        pairs = frozenset(
            frozenset(map(address, pair))
            for pair in ((0, 2), (1, 3), (4, 6), (5, 7))
        )
        self.assertEqual(
            [cards(0, 1, 2, 3), cards(4, 5, 6, 7)],
            [s for s in nearness.near(found, pairs) if len(s.cards) == 4],
        )
