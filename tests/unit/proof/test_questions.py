"""What is taken for true is listed once, and its page has the whole list."""

import pathlib
import re
import unittest

from nova_gpuvirt.proof import question
from nova_gpuvirt.proof import questions

_DOCS = pathlib.Path(__file__).parents[3] / 'doc/source'
_PAGE = _DOCS / 'contributor/proof.rst'
_COMMANDS = _DOCS / 'cli/index.rst'


class QuestionsTest(unittest.TestCase):
    def test_each_has_a_name_of_its_own(self):
        names = [q.name for q in questions.QUESTIONS]
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, '^[a-z0-9-]+$')

    def test_those_about_one_thing_stand_together(self):
        headings = re.findall(r'(?m)^\S.*$', questions.page())
        self.assertEqual(len(headings), len(set(headings)))

    def test_claims_are_sentences(self):
        for q in questions.QUESTIONS:
            self.assertRegex(q.claim, r'^[A-Z`].*\.$', q.name)

    def test_page_has_the_list(self):
        self.assertIn('\n.. questions::\n', _PAGE.read_text())
        for q in questions.QUESTIONS:
            self.assertIn(f'[{q.name}]', questions.page())

    def test_example_of_the_command_has_their_number(self):
        # vGPUs of GVT-g decide none of them.
        self.assertIn(
            f' {len(questions.QUESTIONS)} other claims of that list',
            _COMMANDS.read_text(),
        )

    def test_item_says_what_it_rests_on(self):
        asked = question.Question(
            'water-is-wet',
            'Water',
            'Water is wet.',
            question.Certainty.REPORTED,
            'people who swim',
        )
        self.assertEqual(
            '    * Water is wet. (*reported*: people who swim) [water-is-wet]',
            asked.item(),
        )
