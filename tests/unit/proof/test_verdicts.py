"""Trials show claims to be true or false, and say nothing of the rest."""

import dataclasses
import unittest

from nova_gpuvirt.proof import questions
from nova_gpuvirt.proof import verdicts
from tests.unit.proof import cards

_WHOLE = 'passthrough:0000:3b:00.0'
_MDEV = 'mdev:0000:3b:00.0/0@nvidia-t4-8q'


def words(*outcomes):
    """What is said of each claim."""
    return {v.question: v.word for v in verdicts.verdicts(outcomes)}


class VerdictsTest(unittest.TestCase):
    def test_each_is_about_a_claim_that_is_listed(self):
        listed = {q.name for q in questions.QUESTIONS}
        for check in verdicts._CHECKS:
            self.assertIn(check.question, listed)

    def test_nothing_tried_decides_nothing(self):
        self.assertEqual({}, words())

    def test_whole_card_that_passes(self):
        self.assertEqual(
            {
                'nvidia-whole': 'seen',
                'whole-place': 'seen',
                'libvirt-override': 'seen',
            },
            words(cards.outcome(_WHOLE)),
        )

    def test_one_failure_contradicts_many_that_pass(self):
        passed = cards.outcome(_WHOLE)
        failed = cards.outcome(_WHOLE, ['the driver does not let go'], {})
        (verdict,) = (
            v
            for v in verdicts.verdicts([passed, failed, passed])
            if v.question == 'nvidia-whole'
        )
        self.assertEqual(
            ('0000:3b:00.0 PGPU: the driver does not let go',),
            verdict.contradicted,
        )
        self.assertEqual(3, verdict.trials)

    def test_what_was_not_tried_decides_nothing(self):
        left = cards.outcome(_WHOLE, ['not tried: the card is not as it was'])
        left = dataclasses.replace(left, seconds={}, meanwhile={})
        self.assertEqual({}, words(left))

    def test_override_that_is_left(self):
        left = {'0000:3b:00.0 driver_override': 'vfio-pci'}
        found = words(cards.outcome(_WHOLE, after=left))
        self.assertEqual('contradicted', found['libvirt-override'])

    def test_driver_of_an_mdev(self):
        for driver, word in (
            ('nvidia-vgpu-vfio', 'seen'),
            ('nvidia-vgpu', 'contradicted'),
        ):
            meanwhile = {'0000:3b:00.0 mdev 1234': driver}
            self.assertEqual(
                {'nvidia-mdev-driver': word},
                words(cards.outcome(_MDEV, meanwhile=meanwhile)),
            )
        # What never ran tells nothing.
        self.assertEqual({}, words(cards.outcome(_MDEV, ['no'], {})))
