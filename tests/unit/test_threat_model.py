"""The page "Threat model" names what is there."""

import importlib.util
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / 'doc/source/contributor/threat-model.rst'

_ROW = re.compile(
    r'^   \* - (?P<what>(?:.+\n       ?)*.+)\n'
    r'     - (?P<code>.+)\n'
    r'     - (?P<test>.+)\n',
    re.M,
)
_LITERAL = re.compile('``([^`]+)``')


def rows(page):
    """Read what is defended, by which modules, and by which tests."""
    return [
        (
            row['what'],
            _LITERAL.findall(row['code']),
            _LITERAL.findall(row['test']),
        )
        for row in _ROW.finditer(page)
        if row['what'] != 'What is defended'
    ]


def test_is_there(name):
    """Tell whether a module, a class or a test of ours is there.

    Those of `test_fuzz` are made when it is imported.
    """
    parts = name.split('.')
    for count in range(len(parts), 1, -1):
        path = ROOT.joinpath('tests', *parts[:count]).with_suffix('.py')
        if path.is_file():
            rest = parts[count:]
            break
    else:
        return False
    if parts[count - 1] == 'test_fuzz':
        module = importlib.import_module('tests.unit.test_fuzz')
        found = getattr(module, rest[0], None)
        return not rest[1:] or hasattr(found, rest[1])
    text = path.read_text()
    start = 0
    for kind, each in zip(('class', '    def'), rest, strict=False):
        match = re.compile(rf'^{kind} {each}\(', re.M).search(text, start)
        if match is None:
            return False
        start = match.end()
    return True


def code_is_there(name):
    """Tell whether a module of the package is there."""
    return importlib.util.find_spec(f'nova_gpuvirt.{name}') is not None


class ThreatModelTest(unittest.TestCase):
    def setUp(self):
        self.page = PAGE.read_text()

    def test_each_row_is_read(self):
        headings = self.page.count('   * - What is defended\n')
        self.assertEqual(
            self.page.count('\n   * - ') - headings, len(rows(self.page))
        )
        self.assertGreater(len(rows(self.page)), 20)

    def test_each_module_and_each_test_is_there(self):
        for what, modules, tests in rows(self.page):
            with self.subTest(what):
                self.assertTrue(tests)
                for name in tests:
                    self.assertTrue(test_is_there(name), name)
                for name in modules:
                    self.assertTrue(code_is_there(name), name)

    def test_what_is_not_there_is_found(self):
        for name in (
            'unit.test_nothing',
            'unit.model.test_model.NoTest',
            'unit.model.test_model.SlotTest.test_nothing',
            'unit.test_fuzz.FedTest.test_nonsense_for_nothing',
        ):
            self.assertFalse(test_is_there(name), name)
        self.assertFalse(code_is_there('host.nothing'))
