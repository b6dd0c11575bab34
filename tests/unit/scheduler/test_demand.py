"""Typical requests are weighed, and what is found of a card holds for all."""

import dataclasses
import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import demand
from tests.unit.scheduler import worlds

A, B = worlds.CLASSES[:2]
LAYOUT = summary.Layout(
    'T4',
    (
        summary.Part(A, summary.CARD // 4, summary.Sharing.MIXED),
        summary.Part(B, summary.CARD, summary.Sharing.MIXED),
    ),
)


def request(rc, count=1, vcpus=4, memory_mb=4096):
    return summary.Request(vcpus, memory_mb, ((rc, count),))


class TypicalTest(unittest.TestCase):
    def weights(self, requests, layouts=(LAYOUT,)):
        seen = demand.Demand(requests, layouts)
        return {
            (*seen.units[unit], t.vcpus): t.weight * summary.CARD
            for unit, typical in seen.typical
            for t in typical
        }

    @hypothesis.given(worlds.requests(), st.lists(worlds.layouts()))
    def test_weights_are_shares(self, requests, layouts):
        seen = demand.Demand(requests, layouts)
        weights = [t.weight for _, typical in seen.typical for t in typical]
        self.assertTrue(all(weight > 0 for weight in weights))
        self.assertAlmostEqual(1, sum(weights) * summary.CARD)

    def test_a_request_counts_by_the_root_of_its_size(self):
        weights = self.weights({request(A): 1000, request(B): 1000})
        self.assertAlmostEqual(2, weights[B, 1, 4] / weights[A, 1, 4])

    def test_what_nobody_has_yet_may_be_asked_for(self):
        units = demand.Demand({}, (LAYOUT,)).units
        self.assertEqual(
            {(orc.PGPU, 1), (orc.VGPU, 1), (A, 1), (B, 1)}, set(units)
        )

    def test_a_class_that_no_card_has_is_left_out(self):
        seen = demand.Demand({request('CUSTOM_FPGA'): 9}, (LAYOUT,))
        self.assertNotIn(('CUSTOM_FPGA', 1), seen.units)

    def test_the_lightest_of_too_many_are_left_out(self):
        requests = {request(A, vcpus=i): i for i in range(1, 2 * demand.MOST)}
        requests[request(B, vcpus=999)] = demand.MOST
        weights = self.weights(requests)
        self.assertEqual(demand.MOST, len(weights))
        self.assertEqual(demand.MOST + 1, min(v for _, _, v in weights))
        self.assertIn((B, 1, 999), weights)


class StateTest(unittest.TestCase):
    @hypothesis.given(worlds.a_card(), worlds.requests())
    def test_cards_alike_share_their_state(self, card, requests):
        seen = demand.Demand(requests, (card.layout,))
        other = dataclasses.replace(
            card, provider='other', device='other', numa_node=1
        )
        self.assertIs(seen.state(card), seen.state(other))

    def test_nothing_can_be_used_of_a_sick_card(self):
        seen = demand.Demand({request(A): 1}, (LAYOUT,))
        free = worlds.free(LAYOUT)
        sick = dataclasses.replace(free, health=summary.Health.MISSING)
        self.assertTrue(any(seen.state(free).usable))
        self.assertFalse(any(seen.state(sick).usable))

    @hypothesis.given(worlds.a_card(), worlds.requests())
    def test_a_request_can_use_all_or_nothing_of_a_card(self, card, requests):
        seen = demand.Demand(requests, (card.layout,))
        for (rc, count), usable in zip(
            seen.units, seen.state(card).usable, strict=True
        ):
            if rc == orc.PGPU:
                fits = bool(card.whole)
            else:
                index = card.part(rc)
                fits = index is not None and card.left[index] >= count
            self.assertEqual(card.unused if fits else 0, usable, rc)

    def test_several_whole_cards_are_not_had_of_fewer(self):
        seen = demand.Demand({request(orc.PGPU, 3): 1}, (LAYOUT,))
        index = seen.units.index((orc.PGPU, 3))
        for count, usable in ((2, 0), (3, 3_000_000), (4, 4_000_000)):
            states = [seen.state(worlds.free(LAYOUT))] * count
            self.assertEqual(usable, seen.usable(states)[index])

    def test_a_host_without_cards_gives_nothing(self):
        seen = demand.Demand({request(A): 1}, (LAYOUT,))
        self.assertEqual([0] * len(seen.units), seen.usable([]))


class StepTest(unittest.TestCase):
    @hypothesis.given(st.data())
    def test_steps_of_several_cards_add_up(self, data):
        first, second = data.draw(worlds.a_card()), data.draw(worlds.a_card())
        layouts = dict.fromkeys((first.layout, second.layout))
        seen = demand.Demand(data.draw(worlds.requests()), layouts)
        steps = tuple(
            seen.state(card).effects[
                data.draw(st.sampled_from(worlds.classes(card.layout))), 1
            ]
            for card in (first, second)
        )
        both = seen.together(steps)
        self.assertIs(both, seen.together(steps))
        self.assertEqual(steps[0].taken + steps[1].taken, both.taken)
        picky = steps[0].is_picky or steps[1].is_picky
        self.assertEqual(
            steps[0].fits and steps[1].fits and not picky, both.fits
        )
        self.assertEqual(
            [a + b for a, b in zip(*(s.change for s in steps), strict=True)],
            [*both.change],
        )
