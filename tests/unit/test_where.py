"""The page "Where is what" names what is there."""

import ast
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / 'doc/source/contributor/where.rst'

_ROW = re.compile(
    r'^   \* - (?P<question>.+)\n(?P<answer>(?:     .+\n)+)', re.M
)
_LITERAL = re.compile('``([^`]+)``')


def answers(page):
    """Read the answers to each question of the page.

    Each is a path, or ``path: symbol``.
    """
    _heading, *rows = _ROW.finditer(page)
    return {row['question']: _LITERAL.findall(row['answer']) for row in rows}


def why_not(answer):
    """Tell what of an answer is not there, None where all of it is."""
    path, _, symbol = answer.partition(': ')
    found = [
        file
        for folder in (ROOT / 'nova_gpuvirt', ROOT)
        if (file := folder / path).exists()
    ]
    if not found:
        return f'no file {path}'
    if not symbol:
        return None
    body = ast.parse(found[0].read_text()).body
    for name in symbol.split('.'):
        node = next((n for n in body if name in _names(n)), None)
        if node is None:
            return f'no {symbol} in {path}'
        body = getattr(node, 'body', ())
    return None


def _names(node):
    """List what a statement of a module or a class gives a name to."""
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id]
    return [getattr(node, 'name', None)]


class WhereTest(unittest.TestCase):
    def setUp(self):
        self.answers = answers(PAGE.read_text())

    def test_each_answer_is_there(self):
        for question, named in self.answers.items():
            self.assertTrue(named, f'{question}: no answer')
            for answer in named:
                self.assertIsNone(why_not(answer), question)

    def test_first_days_questions_are_answered(self):
        self.assertGreaterEqual(len(self.answers), 20)

    def test_each_row_is_read(self):
        heading_and_rows = PAGE.read_text().count('\n   * - ')
        self.assertEqual(heading_and_rows, 1 + len(self.answers))

    def test_wrong_answers_are_found(self):
        for answer, reason in (
            ('cards/nowhere.py', 'no file cards/nowhere.py'),
            ('conf.py: nothing', 'no nothing in conf.py'),
            ('handover.py: Handover.x', 'no Handover.x in handover.py'),
        ):
            self.assertEqual(reason, why_not(answer))
