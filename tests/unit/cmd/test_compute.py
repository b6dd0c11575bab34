"""nova-compute-gpuvirt starts nova-compute, or says what it lacks."""

import contextlib
import io
import sys
import types
import unittest
from unittest import mock

from nova_gpuvirt import version
from nova_gpuvirt.cmd import compute


def module(name, **names):
    found = types.ModuleType(name)
    found.__path__ = []
    for each, value in names.items():
        setattr(found, each, value)
    return found


class ComputeTest(unittest.TestCase):
    def run_program(self, *arguments, modules):
        """Run it beside these modules, and return its status and output."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(sys.modules, modules),
            mock.patch.object(sys, 'argv', ['nova-compute', *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = compute.main()
        return status, out.getvalue(), err.getvalue()

    def nova(self, main, extend=None):
        return {
            'nova_gpuvirt.novavirt': module('novavirt', extend=extend),
            'nova': module('nova'),
            'nova.version': module('nova.version', version_string=_release),
            'nova.cmd': module('nova.cmd'),
            'nova.cmd.compute': module('nova.cmd.compute', main=main),
        }

    def test_runs_nova_s_command(self):
        calls = mock.Mock()
        done = self.run_program(modules=self.nova(calls.main, calls.extend))
        self.assertEqual((0, '', ''), done)
        self.assertEqual(
            [mock.call.extend(), mock.call.main()], calls.mock_calls
        )

    def test_names_both_versions_and_starts_nothing(self):
        main = mock.Mock()
        status, out, _ = self.run_program('--version', modules=self.nova(main))
        self.assertEqual(0, status)
        self.assertEqual(
            f'nova-gpuvirt {version.version()} with Nova 34.0.1\n', out
        )
        main.assert_not_called()

    def test_without_nova_says_what_to_do(self):
        status, out, err = self.run_program(
            modules={'nova': None, 'nova.cmd': None, 'nova.cmd.compute': None}
        )
        self.assertEqual((1, ''), (status, out))
        self.assertRegex(
            err,
            '^nova-compute-gpuvirt: wanted Nova in the environment of '
            f'nova-gpuvirt, found none that {sys.executable} can import .*; '
            'install nova-gpuvirt with the pip of nova-compute',
        )

    def test_what_nova_itself_lacks_is_not_hidden(self):
        error = ModuleNotFoundError("No module named 'oslo'", name='oslo')
        with (
            mock.patch.object(
                compute.importlib, 'import_module', side_effect=error
            ),
            self.assertRaises(ModuleNotFoundError),
        ):
            self.run_program(modules={})


def _release():
    return '34.0.1'
