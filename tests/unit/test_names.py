"""Names that stand in texts of the code are of something.

A benchmark patches what it measures by its full name, which no linter reads.
"""

import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

_ROOT = pathlib.Path(__file__).parents[2]
_FOLDERS = ('benchmarks', 'lab', 'nova_gpuvirt', 'tests')
_NAME = re.compile(r'nova_gpuvirt(\.\w+)+')
# Some are of what imports Nova's harness, which changes the process.
_RESOLVE = """
import json, pkgutil, sys
import nova.tests.functional
from nova import objects
objects.register_all()
wrong = {}
for name in json.load(sys.stdin):
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        wrong[name] = str(error)
print(json.dumps(wrong))
"""


def names(path):
    """List the full names that stand alone in a text of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _NAME.fullmatch(text):
            yield text


class NamesTest(unittest.TestCase):
    def test_each_can_be_resolved(self):
        found = {
            name
            for folder in _FOLDERS
            for path in (_ROOT / folder).rglob('*.py')
            for name in names(path)
        }
        self.assertGreater(len(found), 10)
        run = subprocess.run(
            [sys.executable, '-c', _RESOLVE],
            input=json.dumps(sorted(found)),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            cwd=_ROOT,
            env={'OS_NOVA_DISABLE_EVENTLET_PATCHING': '1', **os.environ},
        )
        self.assertEqual({}, json.loads(run.stdout.splitlines()[-1]))
