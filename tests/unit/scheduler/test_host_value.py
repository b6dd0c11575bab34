"""What a host is worth, anew and by what has changed."""

import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import host_value
from nova_gpuvirt.scheduler import view
from tests.unit.scheduler import worlds

A = worlds.CLASSES[0]


def plainly(seen, usable, vcpus, memory_mb):
    """What it is worth, by its definition."""
    return sum(
        t.weight * min(usable[unit], t.per_vcpu * vcpus, t.per_mb * memory_mb)
        for unit, typical in seen.typical
        for t in typical
        if vcpus >= t.vcpus and memory_mb >= t.memory_mb
    )


class WorthTest(unittest.TestCase):
    @hypothesis.given(
        worlds.views(), st.integers(0, 128), st.integers(0, 1 << 19)
    )
    def test_it_is_what_typical_requests_can_use(self, seen, vcpus, memory):
        self.assertAlmostEqual(
            plainly(seen.demand, seen.usable, vcpus, memory),
            host_value.HostValue(seen.demand, seen.usable, vcpus, memory).now,
        )

    @hypothesis.given(st.data())
    def test_a_change_is_worth_what_the_changed_host_is(self, data):
        seen = data.draw(worlds.views(with_sets=False))
        parts = data.draw(worlds.choices(seen))
        left = data.draw(
            st.tuples(st.integers(0, 96), st.integers(0, 1 << 18))
        )
        after = seen.with_taken(parts)
        self.assertAlmostEqual(
            plainly(after.demand, after.usable, *left),
            host_value.HostValue(seen.demand, seen.usable, *left).after(
                seen.effect(parts).change
            ),
        )

    def test_the_last_of_several_cards_takes_all_from_those_who_want_more(
        self,
    ):
        request = summary.Request(8, 8192, ((orc.PGPU, 3),))
        seen = demand.Demand({request: 10**9}, ())
        cards = [worlds.free(summary.Layout('A100'), str(i)) for i in range(3)]
        host = view.View(summary.Summary(tuple(cards)), seen)
        parts = (candidate.Part('0', orc.PGPU, 1),)
        found = host_value.HostValue(seen, host.usable, 64, 1 << 18)
        self.assertAlmostEqual(3, found.now, places=5)
        self.assertAlmostEqual(
            0, found.after(host.effect(parts).change), places=5
        )

    def test_cpus_and_memory_bound_what_can_be_used(self):
        layout = summary.Layout(
            'T4',
            (summary.Part(A, summary.CARD // 4, summary.Sharing.MIXED),),
        )
        # All but nobody asks for quarters with 8 CPUs and 8 GiB.
        request = summary.Request(8, 8192, ((A, 1),))
        seen = demand.Demand({request: 10**9}, (layout,))
        usable = seen.usable([seen.state(worlds.free(layout))] * 2)
        for vcpus, memory, cards in (
            (64, 1 << 16, 2),
            (16, 1 << 16, 0.5),
            (64, 3 << 13, 0.75),
            (7, 1 << 16, 0),
            (64, 8191, 0),
        ):
            with self.subTest(vcpus=vcpus, memory=memory):
                self.assertAlmostEqual(
                    cards,
                    host_value.HostValue(seen, usable, vcpus, memory).now,
                    places=5,
                )
