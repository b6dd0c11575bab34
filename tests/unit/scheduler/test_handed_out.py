"""What was handed out is remembered until its host tells of it."""

import unittest

import os_resource_classes as orc

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import handed_out

PART = candidate.Part('card', orc.PGPU, 1)


def told(claims):
    """What a host tells of its one card, which has had so many claims."""
    layout = summary.Layout('T4')
    card = summary.Card('card', '0000:3b:00.0', layout, claims=claims)
    return summary.Summary((card,))


class HandedOutTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.handed_out = handed_out.HandedOut(clock=lambda: self.now)

    def pending(self, claims):
        return [*self.handed_out.pending(told(claims))]

    def test_it_is_pending_until_the_host_tells_of_it(self):
        self.handed_out.note(told(3), [PART])
        self.assertEqual([PART], self.pending(3))
        self.assertEqual([], self.pending(4))

    def test_each_claim_answers_one_note(self):
        self.handed_out.note(told(0), [PART])
        self.handed_out.note(told(0), [PART])
        self.assertEqual([PART, PART], self.pending(0))
        self.assertEqual([PART], self.pending(1))
        self.assertEqual([], self.pending(2))

    def test_one_that_comes_to_nothing_is_forgotten(self):
        self.handed_out.note(told(0), [PART])
        self.now += 61
        self.assertEqual([], self.pending(0))

    def test_other_hosts_have_nothing_of_it(self):
        self.handed_out.note(told(0), [PART])
        self.assertEqual([], [*self.handed_out.pending(summary.Summary(()))])
