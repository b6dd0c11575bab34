"""An instance has arrived for a minute, by what was here before."""

import unittest

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt.compute.reports import arrivals


class ArrivalsTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.arrivals = arrivals.Arrivals(lambda: self.now)

    def young(self, *instances, **moving):
        return self.arrivals.young(dict.fromkeys(instances) | moving)

    def test_those_of_the_first_call_are_old(self):
        self.assertEqual((), self.young('a'))
        self.assertEqual((), self.young('a'))

    def test_none_at_the_first_call_makes_the_next_ones_new(self):
        self.assertEqual((), self.young())
        self.assertEqual(('a',), self.young('a'))

    def test_who_comes_is_new_for_a_minute(self):
        self.young('a')
        self.assertEqual(('b',), self.young('a', 'b'))
        self.now += 59
        self.assertEqual(('b', 'c'), self.young('c', 'b', 'a'))
        self.now += 2
        self.assertEqual(('c',), self.young('a', 'b', 'c'))

    def test_who_left_is_not_there_and_new_when_it_comes_back(self):
        self.young('a')
        self.assertEqual((), self.young())
        self.assertEqual(('a',), self.young('a'))

    def test_a_move_to_its_own_host_is_an_arrival(self):
        self.young('a')
        self.assertEqual(('a',), self.young(a='move'))
        self.now += 61
        self.assertEqual((), self.young(a='move'))
        self.assertEqual(('a',), self.young(a='another'))

    def test_the_end_of_a_move_is_none(self):
        self.young()
        self.assertEqual(('a',), self.young(a='move'))
        self.now += 61
        self.assertEqual((), self.young('a'))
        self.assertEqual((), self.young(a='move'))

    @hypothesis.given(
        st.lists(st.tuples(st.integers(0, 90), st.frozensets(st.text('abc'))))
    )
    def test_as_if_all_that_happened_were_written_down(self, history):
        self.setUp()
        came = {}
        for i, (seconds, there) in enumerate(history):
            self.now += seconds
            for name in there - came.keys():
                came[name] = self.now if i else -1.0
            came = {name: came[name] for name in came if name in there}
            young = {n for n, since in came.items() if since > self.now - 60}
            told = self.young(*there)
            self.assertEqual(young, {*told})
            self.assertEqual(len(young), len(told))
            self.assertEqual(sorted(told, key=came.get), [*told])
