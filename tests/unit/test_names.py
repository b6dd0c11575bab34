"""Names that stand in texts of the code are of something.

A benchmark patches what it measures by its full name, which no linter reads.
"""

import ast
import pathlib
import pkgutil
import re
import unittest

from nova import objects

_ROOT = pathlib.Path(__file__).parents[2]
_FOLDERS = ('benchmarks', 'lab', 'nova_gpuvirt', 'tests')
_NAME = re.compile(r'nova_gpuvirt(\.\w+)+')

objects.register_all()


def names(path):
    """List the full names that stand alone in a text of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _NAME.fullmatch(text):
            yield text


class NamesTest(unittest.TestCase):
    def test_each_can_be_resolved(self):
        found = {
            name: path.relative_to(_ROOT)
            for folder in _FOLDERS
            for path in (_ROOT / folder).rglob('*.py')
            for name in names(path)
        }
        self.assertGreater(len(found), 10)
        wrong = {}
        for name, path in found.items():
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError) as error:
                wrong[name] = f'{path}: {error}'
        self.assertEqual({}, wrong)
