"""Cells of a guest get nodes: the first way, or none, in few steps."""

import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.numa import seating

NODES = 5
some_nodes = st.sets(st.integers(0, NODES)).map(frozenset)


def first_of_all(options, needed, groups, accepts):
    """Try all ways, in order."""
    for chosen in itertools.product(*options):
        taken = frozenset(chosen)
        if (
            len(taken) == len(chosen)
            and needed <= taken
            and all(group & taken for group in groups)
            and accepts(taken)
        ):
            return chosen
    return None


class SeatsTest(unittest.TestCase):
    @given(
        st.lists(
            st.lists(st.integers(0, NODES), unique=True),
            min_size=1,
            max_size=4,
        ),
        some_nodes,
        st.lists(some_nodes.filter(bool), max_size=3),
        st.none() | some_nodes,
    )
    def test_the_first_way_is_found_if_there_is_one(
        self, options, needed, groups, refused
    ):
        def accepts(taken):
            return refused is None or not refused <= taken

        marks = {
            n: n if refused and n in refused else None
            for n in range(NODES + 1)
        }
        self.assertEqual(
            first_of_all(options, needed, groups, accepts),
            seating.seats(options, needed, groups, accepts, marks),
        )

    def steps(self, options, needed=(), groups=(), marks=None):
        """How many sets of nodes are looked at, of 5 765 760 ways."""
        steps = 0

        class Counted(list):
            def __getitem__(self, index):
                nonlocal steps
                steps += isinstance(index, slice)
                return super().__getitem__(index)

        found = seating.seats(
            Counted(options),
            frozenset(needed),
            [*map(frozenset, groups)],
            lambda taken: marks is None,
            marks or dict.fromkeys(range(16)),
        )
        self.assertIsNone(found)
        return steps

    def test_what_cant_be_is_seen_at_once(self):
        everywhere = [*range(16)]
        for case, arguments in {
            'one cell fits nowhere': ([everywhere] * 5 + [[]],),
            'three cells for two nodes': ([everywhere] * 3 + [[3, 12]] * 3,),
            'a node that no cell fits on': (
                [everywhere[1:]] * 6,
                {0},
            ),
            'two nodes for one cell': (
                [everywhere[2:]] * 5 + [everywhere],
                {0, 1},
            ),
            'more nodes than cells': ([everywhere] * 6, {*range(7)}),
            'a network that no cell gets near': (
                [everywhere[2:]] * 6,
                {15},
                [{0, 1}],
            ),
        }.items():
            with self.subTest(case):
                self.assertEqual(1, self.steps(*arguments))

    def test_what_is_refused_at_the_end_is_tried_once_for_all_alike(self):
        alike = [[*range(16)]] * 6
        marks = dict.fromkeys(range(16))
        self.assertEqual(7, self.steps(alike, marks=marks))
        self.assertEqual(
            # all of those with the node, and all without
            7 + 6,
            self.steps(alike, marks=marks | {3: 'other'}),
        )
        differ = [[n for n in range(16) if n != 2 * cell] for cell in range(6)]
        self.assertLessEqual(self.steps(differ, marks=marks), 4000)

    def test_cells_that_all_differ_take_no_step_back(self):
        # The last ones fit on few nodes, which the first ones would take.
        options = [[*range(16)]] * 3 + [[0, 1, 2]] * 2 + [[0, 1, 2, 3]]
        taken = seating.seats(
            options,
            frozenset({15}),
            [],
            lambda taken: True,
            dict.fromkeys(range(16)),
        )
        self.assertEqual((0, 4, 15, 1, 2, 3), taken)
