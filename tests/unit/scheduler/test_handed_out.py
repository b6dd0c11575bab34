"""What was handed out counts until the host tells of it."""

import dataclasses
import unittest

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import handed_out
from tests.unit.scheduler import worlds

SET = 'CUSTOM_GPU_SET_2'
A = worlds.CLASSES[0]


def told(claims=0, of_sets=0, provider='card'):
    card = worlds.free(summary.Layout('T4'), provider, claims=claims)
    sets = summary.Sets('fabric', {SET: ((0, 1),)}, of_sets)
    return summary.Summary((card,), (sets,))


class HandedOutTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.notes = handed_out.HandedOut(lambda: self.now)

    def pending(self, summary_):
        return [*self.notes.pending(summary_)]

    def test_it_is_pending_until_the_host_tells_of_its_claim(self):
        part = candidate.Part('card', A, 2)
        self.notes.note(told(claims=3), [part])
        self.assertEqual([part], self.pending(told(claims=3)))
        self.assertEqual([part], self.pending(told(claims=4)))
        self.assertEqual([], self.pending(told(claims=5)))

    def test_several_are_told_of_one_after_the_other(self):
        first, second = (candidate.Part('card', rc, 1) for rc in 'AB')
        self.notes.note(told(), [first])
        self.notes.note(told(), [second])
        self.assertEqual([first, second], self.pending(told()))
        self.assertEqual([second], self.pending(told(claims=1)))
        self.assertEqual([], self.pending(told(claims=2)))

    def test_a_set_is_noted_as_well(self):
        part = candidate.Part('fabric', SET, 1)
        self.notes.note(told(), [part])
        self.assertEqual([part], self.pending(told()))
        self.assertEqual([], self.pending(told(of_sets=1)))

    def test_a_claim_that_has_ended_since_stays_told_of(self):
        part = candidate.Part('card', A, 1)
        self.notes.note(told(claims=3), [part])
        self.assertEqual([], self.pending(told(claims=4)))
        self.notes.note(told(claims=4), [part])
        self.assertEqual([part], self.pending(told(claims=4)))

    def test_a_request_that_was_told_less_than_another(self):
        first, second = (candidate.Part('card', rc, 1) for rc in 'AB')
        self.notes.note(told(), [first])
        self.assertEqual([], self.pending(told(claims=1)))
        self.notes.note(told(), [second])
        self.assertEqual([second], self.pending(told(claims=1)))
        self.assertEqual([], self.pending(told(claims=2)))

    def test_a_build_that_failed_is_forgotten_in_a_minute(self):
        part = candidate.Part('card', A, 1)
        self.notes.note(told(), [part])
        self.now += 59
        self.assertEqual([part], self.pending(told()))
        self.now += 2
        self.assertEqual([], self.pending(told()))
        self.notes.note(told(), [candidate.Part('fabric', SET, 1)])
        self.assertTrue(self.notes.is_clear(['card']))

    def test_other_hosts_are_not_concerned(self):
        self.notes.note(told(), [candidate.Part('card', A, 1)])
        self.assertFalse(self.notes.is_clear(['fabric', 'card']))
        self.assertTrue(self.notes.is_clear(['fabric', 'other']))
        other = dataclasses.replace(told(provider='other'), sets=())
        self.assertEqual([], self.pending(other))

    @hypothesis.given(st.lists(st.integers(1, 3), max_size=6), st.data())
    def test_what_is_told_and_what_is_pending_add_up(self, counts, data):
        notes = handed_out.HandedOut(lambda: self.now)
        for count in counts:
            notes.note(told(), [candidate.Part('card', A, count)])
        done = data.draw(st.integers(0, len(counts)))
        pending = notes.pending(told(claims=sum(counts[:done])))
        self.assertEqual(counts[done:], [part.units for part in pending])
