"""What a command answered is there for others, for a while."""

import unittest

from nova_gpuvirt.host import answers
from nova_gpuvirt.host import commands

_QUESTION = ('nvidia-smi', '-q')


class AnswersTest(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.answers = answers.Answers(lambda: self.now)

    def fail(self, argv):
        raise commands.CommandFailed('no')

    def test_last_answer_is_kept(self):
        for text in ('old', 'new'):
            self.assertEqual(
                text, self.answers.ask(lambda _, t=text: t, _QUESTION)
            )
        self.assertEqual('new', self.answers.last(_QUESTION, 10).text)
        self.assertIsNone(self.answers.last(('nvidia-smi',), 10))

    def test_answer_ages(self):
        self.answers.ask(lambda _: 'x', _QUESTION)
        self.now = 10.0
        self.assertIsNotNone(self.answers.last(_QUESTION, 10))
        self.now = 10.1
        self.assertIsNone(self.answers.last(_QUESTION, 10))

    def test_failure_is_an_answer_and_is_raised(self):
        self.answers.ask(lambda _: 'x', _QUESTION)
        with self.assertRaises(commands.CommandFailed) as caught:
            self.answers.ask(self.fail, _QUESTION)
        last = self.answers.last(_QUESTION, 10)
        self.assertEqual(('', caught.exception), (last.text, last.failure))
