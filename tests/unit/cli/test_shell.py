"""The command starts at once, and without Nova."""

import subprocess
import sys
import unittest

_PROGRAM = """
import importlib
import pkgutil
import sys
from nova_gpuvirt import cli
for module in pkgutil.iter_modules(cli.__path__, 'nova_gpuvirt.cli.'):
    importlib.import_module(module.name)
from nova_gpuvirt.cli import shell
shell.Shell()
print(sorted({'nova', 'oslo_privsep', 'eventlet'} & sys.modules.keys()))
"""


class ShellTest(unittest.TestCase):
    def test_no_command_loads_nova_before_it_needs_it(self):
        done = subprocess.run(
            [sys.executable, '-c', _PROGRAM], capture_output=True, text=True
        )
        self.assertEqual(('[]\n', ''), (done.stdout, done.stderr))
