"""The page "Architecture" names each folder and module of the package."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / 'doc/source/contributor/architecture.rst'
PACKAGE = ROOT / 'nova_gpuvirt'

_ROW = re.compile(r'^(``[^ ].*?) {2,}\S', re.M)
_NAME = re.compile('``([^`]+)``')


class ArchitectureTest(unittest.TestCase):
    def setUp(self):
        rows = _ROW.findall(PAGE.read_text())
        self.named = [name for row in rows for name in _NAME.findall(row)]

    def test_each_folder_and_module_has_a_row(self):
        there = {
            path.stem
            for path in PACKAGE.iterdir()
            if path.suffix == '.py' or (path / '__init__.py').exists()
        }
        self.assertEqual(set(), there - {'__init__', *self.named})

    def test_each_row_is_of_something_there(self):
        for name in self.named:
            place = PACKAGE / name
            is_there = place.is_dir() or place.with_suffix('.py').exists()
            self.assertTrue(is_there, name)
