"""A choice changes a host as the host would be changed."""

import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import view
from tests.unit.scheduler import worlds

LAYOUT = summary.Layout('A100')
SET = 'CUSTOM_GPU_SET_2'


def with_set():
    cards = tuple(worlds.free(LAYOUT, f'card{i}') for i in range(4))
    sets = summary.Sets('fabric', {SET: ((0, 1), (2, 3))})
    told = summary.Summary(cards, (sets,))
    return view.View(told, demand.Demand({}, (LAYOUT,)))


class ViewTest(unittest.TestCase):
    @hypothesis.given(st.data())
    def test_a_choice_takes_what_the_host_has_less_then(self, data):
        seen = data.draw(worlds.views())
        parts = data.draw(worlds.choices(seen))
        after = seen.with_taken(parts)
        self.assertEqual(seen.unused - after.unused, seen.effect(parts).taken)

    @hypothesis.given(st.data())
    def test_a_choice_is_looked_at_once(self, data):
        seen = data.draw(worlds.views())
        parts = data.draw(worlds.choices(seen))
        again = tuple(candidate.Part(*part) for part in parts)
        self.assertIs(seen.effect(parts), seen.effect(again))

    def test_one_card_is_as_good_as_one_that_is_alike(self):
        seen = with_set()
        first, second = (
            seen.effect((candidate.Part(f'card{i}', orc.PGPU, 1),))
            for i in (0, 1)
        )
        self.assertIs(first, second)

    def test_a_set_takes_its_cards(self):
        seen = with_set()
        parts = (candidate.Part('fabric', SET, 1),)
        self.assertEqual(2 * summary.CARD, seen.effect(parts).taken)
        after = seen.with_taken(parts)
        self.assertEqual(
            [False, False, True, True], [c.whole for c in after.summary.cards]
        )

    def test_nothing_taken_changes_nothing(self):
        seen = with_set()
        self.assertEqual(0, seen.effect(()).taken)
        self.assertFalse(any(seen.effect(()).change))

    def test_many_requests_do_not_fill_the_memory(self):
        seen = with_set()
        kept = seen.costs(0)
        self.assertIs(kept, seen.costs(0))
        for request in range(1, 100):
            seen.costs(request)
        self.assertIsNot(kept, seen.costs(0))
