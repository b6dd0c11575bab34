"""Each offer of a card that nothing uses is tried, and no other."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.proof import trials
from tests.unit.proof import cards

_HOST = discovery.Host((cards.T4,), {}, has_iommu=True)


def nobody(function):
    """Have nothing open."""
    return None


def unseen(function):
    """Let nobody see."""
    raise PermissionError('not root')


def no_node(function):
    """Say that VFIO has no node of it."""
    raise FileNotFoundError('no node')


class TrialsTest(unittest.TestCase):
    def test_idle_card(self):
        for opener in (nobody, no_node):
            plan = trials.plan(_HOST, opener)
            self.assertEqual(
                ['passthrough:0000:3b:00.0'],
                [t.claim.identifier for t in plan.trials],
            )
            self.assertEqual({}, plan.left_out)

    def test_card_in_use_and_card_of_which_that_can_not_be_seen(self):
        for opener, why in (
            (lambda function: 'process 7', 'process 7 has 0000:3b:00.0'),
            (unseen, 'it can not be seen who has 0000:3b:00.0: not root'),
        ):
            plan = trials.plan(_HOST, opener)
            self.assertEqual((), plan.trials)
            self.assertEqual({'0000:3b:00.0': why}, plan.left_out)

    def test_what_is_not_offered_of_a_card_that_is_tried_is_told(self):
        share = model.Share('mdev', size_rules.INDEPENDENT, refusal='no VFs')
        gpu = dataclasses.replace(cards.T4, shares=(share,))
        plan = trials.plan(discovery.Host((gpu,), {}, True), nobody)
        self.assertEqual(1, len(plan.trials))
        self.assertEqual({'0000:3b:00.0': 'no VFs'}, plan.left_out)

    def test_refused_and_unreadable_cards_say_why(self):
        refused = dataclasses.replace(cards.T4, refusal='it is broken')
        host = discovery.Host(
            (refused,), {cards.AUDIO.address: 'EIO'}, has_iommu=True
        )
        self.assertEqual(
            {'0000:3b:00.0': 'it is broken', '0000:3b:00.1': 'EIO'},
            trials.plan(host, nobody).left_out,
        )

    def test_only_what_is_wanted(self):
        plan = trials.plan(_HOST, nobody, ['0000:ff:00.0'])
        self.assertEqual(
            ((), {'0000:ff:00.0': 'no such card'}),
            (plan.trials, plan.left_out),
        )
        self.assertTrue(trials.plan(_HOST, nobody, ['0000:3b:00.0']).trials)
