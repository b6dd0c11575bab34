"""The list of guards names what is there."""

import importlib.util
import pathlib
import unittest

from tools import mutants


class GuardsTest(unittest.TestCase):
    def test_each_text_stands_once_in_its_file(self):
        for guard in mutants.read():
            with self.subTest(guard.prevents):
                self.assertEqual(1, guard.count(mutants.ROOT))
                self.assertNotEqual(guard.code, guard.without)

    def test_each_is_told_once_with_tests_that_are_there(self):
        guards = mutants.read()
        self.assertEqual(
            len(guards), len({guard.prevents for guard in guards})
        )
        for guard in guards:
            self.assertTrue(guard.tests)
            for name in guard.tests:
                self.assertTrue(_is_there(name), name)

    def test_file_without_a_guard_is_python(self):
        for guard in mutants.read():
            text = (mutants.ROOT / guard.file).read_text()
            changed = text.replace(guard.code, guard.without)
            with self.subTest(guard.prevents):
                compile(changed, guard.file, 'exec')


def _is_there(name):
    path = pathlib.Path(mutants.ROOT, *name.split('.'))
    return path.with_suffix('.py').is_file() or bool(
        importlib.util.find_spec(name.rpartition('.')[0])
    )
