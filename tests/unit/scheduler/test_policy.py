"""Each policy puts first what it is meant to."""

import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import host_value
from nova_gpuvirt.scheduler import policy as policy_
from nova_gpuvirt.scheduler import view
from tests.unit.scheduler import worlds

A, B = worlds.CLASSES[:2]
LAYOUT = summary.Layout(
    'L40S',
    tuple(
        summary.Part(rc, summary.CARD // n, summary.Sharing.MIXED)
        for rc, n in ((A, 8), (B, 2))
    ),
)
LEFT = 64, 1 << 18
WANTED = 4, 8192


class ScorerTest(unittest.TestCase):
    def host(self, *taken, requests=None):
        """A host whose cards have these of the class A taken."""
        told = []
        for i, count in enumerate(taken):
            card = worlds.free(LAYOUT, f'card{i}')
            told.append(cards.take(card, A, count) if count else card)
        seen = demand.Demand(requests or {}, (LAYOUT,))
        return view.View(summary.Summary(tuple(told)), seen)

    def costs(self, policy, *seen, rc=A):
        """The costs of each card of these hosts."""
        return [
            policy_.Scorer(policy, host, LEFT, WANTED).cost(
                host.effect((candidate.Part(provider, rc, 1),))
            )
            for host in seen
            for provider in host.cards
        ]

    def best(self, policy, *seen, rc=A):
        costs = self.costs(policy, *seen, rc=rc)
        return costs.index(min(costs))

    def test_pack_takes_the_fullest_host_then_the_fullest_card(self):
        hosts = self.host(4, 0, 0), self.host(2, 4, 4)
        self.assertIn(self.best(policy_.Policy.PACK, *hosts), (4, 5))

    def test_spread_takes_the_emptiest_host_then_the_emptiest_card(self):
        hosts = self.host(4, 1, 0), self.host(2, 4, 4)
        self.assertEqual(2, self.best(policy_.Policy.SPREAD, *hosts))

    def test_fit_keeps_whole_cards_for_those_who_want_them(self):
        requests = {summary.Request(8, 8192, ((orc.PGPU, 1),)): 10}
        host = self.host(0, 3, requests=requests)
        self.assertEqual(1, self.best(policy_.Policy.FIT, host))

    def test_fit_keeps_room_for_the_size_that_is_typical(self):
        # With one more of A, the second card has no room for B.
        requests = {summary.Request(8, 8192, ((B, 1),)): 10}
        host = self.host(5, 4, requests=requests)
        self.assertEqual(0, self.best(policy_.Policy.FIT, host))

    def test_fit_takes_the_fuller_host_if_all_else_is_the_same(self):
        hosts = self.host(0, 0, 0), self.host(0, 0)
        costs = self.costs(policy_.Policy.FIT, *hosts)
        self.assertAlmostEqual(costs[0], costs[3], places=5)
        self.assertGreater(costs[0], costs[3])

    @hypothesis.given(st.data())
    def test_fit_costs_what_can_be_used_no_more(self, data):
        seen = data.draw(worlds.views(with_sets=False))
        parts = data.draw(worlds.choices(seen))
        left = data.draw(
            st.tuples(st.integers(0, 96), st.integers(0, 1 << 18))
        )
        wanted = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 4096)))
        after = seen.with_taken(parts)
        then = [has - takes for has, takes in zip(left, wanted, strict=True)]
        lost = (
            host_value.HostValue(seen.demand, seen.usable, *left).now
            - host_value.HostValue(after.demand, after.usable, *then).now
            - (seen.unused - after.unused) / summary.CARD
        )
        scorer = policy_.Scorer(policy_.Policy.FIT, seen, left, wanted)
        self.assertAlmostEqual(lost, scorer.cost(seen.effect(parts)), places=4)

    @hypothesis.given(st.data())
    def test_what_was_found_for_a_request_is_not_used_for_another(self, data):
        seen = data.draw(worlds.views())
        parts = data.draw(worlds.choices(seen))
        policies = st.sampled_from(policy_.Policy)
        asked = data.draw(
            st.lists(
                st.tuples(policies, st.integers(0, 64), st.integers(0, 9)),
                min_size=2,
                max_size=20,
            )
        )
        for policy, vcpus, wanted in asked:
            left = vcpus, 1 << 16
            fresh = view.View(seen.summary, seen.demand)
            costs = [
                policy_.Scorer(policy, host, left, (wanted, 512)).cost(
                    host.effect(parts)
                )
                for host in (seen, fresh)
            ]
            self.assertEqual(*costs)
