"""What is told fits a terminal and leaves nothing out."""

import unittest

from nova_gpuvirt.proof import report
from nova_gpuvirt.proof import trials
from nova_gpuvirt.proof import verdicts
from tests.unit.proof import cards

_WHOLE = 'passthrough:0000:3b:00.0'


class ReportTest(unittest.TestCase):
    def test_plan_names_offers_and_what_is_left_alone(self):
        trial = cards.outcome(_WHOLE).trial
        text = report.before(
            trials.Plan((trial,), {'0000:af:00.0': 'process 7 has it'})
        )
        self.assertIn('0000:3b:00.0 NVIDIA Tesla T4\n', text)
        self.assertIn(f'  {_WHOLE}\n', text)
        self.assertIn('  0000:af:00.0: process 7 has it', text)
        nothing = report.before(trials.Plan((), {}))
        self.assertEqual('There is nothing to try.', nothing)

    def test_facts_stand_with_the_verdicts(self):
        text = report.after(
            [], [verdicts.Verdict('gim-modes', ('0000:26:00.0: odd',), 1)]
        )
        self.assertIn('  contradicted  [gim-modes]', text)
        self.assertIn('          0000:26:00.0: odd', text)

    def test_report_has_times_failures_and_claims(self):
        long = 'the driver does not let go ' * 9
        text = report.after(
            [cards.outcome(_WHOLE), cards.outcome(_WHOLE, [long])]
        )
        lines = text.splitlines()
        self.assertLessEqual(max(map(len, lines)), 79)
        self.assertIn(
            'Each offer, with its seconds: prepare / guest / end / release',
            lines,
        )
        self.assertIn('  passed  PGPU  0.1 / 30.0 / 0.0 / 1.0 s', lines)
        self.assertEqual(1, lines.count('0000:3b:00.0 NVIDIA Tesla T4'))
        self.assertIn('  contradicted  [nvidia-whole]', text)
        self.assertIn('  seen  [libvirt-override]', text)
        self.assertIn('other claims of that list', text)
