"""Package, programs and documents name one version."""

import contextlib
import importlib.metadata
import io
import pathlib
import runpy
import unittest

from nova_gpuvirt import version
from nova_gpuvirt.cli import shell

_ROOT = pathlib.Path(__file__).parents[2]


class VersionTest(unittest.TestCase):
    def test_it_is_the_package_s(self):
        self.assertEqual(
            importlib.metadata.version('nova-gpuvirt'), version.version()
        )

    def test_the_command_names_it(self):
        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.suppress(SystemExit),
        ):
            shell.main(['--version'])
        # Before it stands the program that was started.
        self.assertTrue(out.getvalue().endswith(f' {version.version()}\n'))

    def test_the_documents_name_it(self):
        for folder in ('doc', 'releasenotes'):
            conf = runpy.run_path(str(_ROOT / folder / 'source/conf.py'))
            self.assertEqual(version.version(), conf['version'], folder)
            self.assertEqual(version.version(), conf['release'], folder)
