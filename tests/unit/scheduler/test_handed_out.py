"""What was handed out counts until its host tells that it has arrived."""

import dataclasses
import unittest
import uuid

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import handed_out
from tests.unit.scheduler import worlds

SET = 'CUSTOM_GPU_SET_2'
A = worlds.CLASSES[0]
ONE, TWO, OTHER = (str(uuid.uuid4()) for _ in range(3))
PART = candidate.Part('card', A, 1)


def told(*arrived, provider='card'):
    card = worlds.free(summary.Layout('T4'), provider)
    sets = summary.Sets('fabric', {SET: ((0, 1),)})
    return summary.Summary(
        (card,), (sets,), arrived=tuple(map(summary.mark, arrived))
    )


class HandedOutTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.notes = handed_out.HandedOut(lambda: self.now)

    def pending(self, summary_):
        return [*self.notes.pending(summary_)]

    def test_a_part_counts_until_its_instance_has_arrived(self):
        part = candidate.Part('card', A, 2)
        self.notes.note(told(), ONE, [part])
        self.assertEqual([part], self.pending(told()))
        self.assertEqual([], self.pending(told(ONE)))

    def test_what_arrives_by_another_worker_ends_nothing(self):
        self.notes.note(told(), ONE, [PART])
        self.assertEqual([PART], self.pending(told(OTHER)))
        self.assertEqual([], self.pending(told(OTHER, ONE)))

    def test_servers_of_one_request_end_each_on_its_own(self):
        first, second = (candidate.Part('card', rc, 1) for rc in 'AB')
        before = told()
        self.notes.note(before, ONE, [first])
        self.notes.note(before, TWO, [second])
        self.assertEqual([first, second], self.pending(before))
        self.assertEqual([first], self.pending(told(TWO)))
        self.assertEqual([second], self.pending(told(ONE)))
        self.assertEqual([], self.pending(told(TWO, ONE)))

    def test_all_parts_of_one_instance_end_at_once(self):
        part = candidate.Part('fabric', SET, 1)
        self.notes.note(told(), ONE, [PART, part])
        self.assertEqual([PART, part], self.pending(told()))
        self.assertEqual([], self.pending(told(ONE)))

    def test_a_request_that_was_told_less_than_another(self):
        first, second = (candidate.Part('card', rc, 1) for rc in 'AB')
        self.notes.note(told(), ONE, [first])
        self.assertEqual([], self.pending(told(ONE)))
        self.notes.note(told(), TWO, [second])
        self.assertEqual([second], self.pending(told(ONE)))
        self.assertEqual([first, second], self.pending(told()))
        self.assertEqual([], self.pending(told(ONE, TWO)))

    def test_an_earlier_arrival_is_not_that_of_the_note(self):
        self.notes.note(told(ONE), ONE, [PART])
        self.assertEqual([PART], self.pending(told(ONE)))
        self.now += 61
        self.assertEqual([], self.pending(told(ONE)))

    def test_a_build_that_failed_is_forgotten_in_a_minute(self):
        self.notes.note(told(), ONE, [PART])
        self.now += 59
        self.assertEqual([PART], self.pending(told()))
        self.now += 2
        self.assertEqual([], self.pending(told()))
        self.notes.note(told(), TWO, [candidate.Part('fabric', SET, 1)])
        self.assertTrue(self.notes.is_clear(['card']))

    def test_other_hosts_are_not_concerned(self):
        self.notes.note(told(), ONE, [PART])
        self.assertFalse(self.notes.is_clear(['fabric', 'card']))
        self.assertTrue(self.notes.is_clear(['fabric', 'other']))
        other = dataclasses.replace(told(provider='other'), sets=())
        self.assertEqual([], self.pending(other))

    @hypothesis.given(
        st.lists(
            st.tuples(st.uuids().map(str), st.integers(1, 3), st.booleans()),
            max_size=6,
            unique_by=lambda each: summary.mark(each[0]),
        )
    )
    def test_what_has_arrived_and_what_is_pending_add_up(self, servers):
        notes = handed_out.HandedOut(lambda: self.now)
        for instance, count, _ in servers:
            notes.note(told(), instance, [candidate.Part('card', A, count)])
        pending = notes.pending(told(*[i for i, _, here in servers if here]))
        self.assertEqual(
            [count for _, count, here in servers if not here],
            [part.units for part in pending],
        )
