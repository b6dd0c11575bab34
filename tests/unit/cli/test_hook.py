"""Nova's own command finds the driver by a file of ours."""

import io
import pathlib
import shutil
import subprocess
import sys
import unittest
from unittest import mock

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import novavirt
from nova_gpuvirt.cli import hook
from nova_gpuvirt.cli import shell


class HookTest(unittest.TestCase):
    def setUp(self):
        folder = fixtures.TempDir()
        folder.setUp()
        self.addCleanup(folder.cleanUp)
        (pathlib.Path(folder.path) / 'nova/virt').mkdir(parents=True)
        self.place = pathlib.Path(folder.path) / 'nova/virt/gpuvirt.py'
        self.driver = pathlib.Path(novavirt.__path__[0]) / 'gpuvirt.py'

    def run_command(self, *words):
        with mock.patch.object(hook, 'find', return_value=self.place):
            app = shell.Shell()
            app.command_manager.add_command('hook', hook.Hook)
            with mock.patch('sys.stdout', new=io.StringIO()) as out:
                app.stdout = out
                status = app.run(['hook', *words])
        return status, out.getvalue()

    def test_life_of_it(self):
        for words, status, state in (
            ((), 1, hook.State.NONE),
            (('install',), 0, hook.State.READY),
            (('install',), 0, hook.State.READY),
            (('check',), 0, hook.State.READY),
            (('remove',), 0, hook.State.NONE),
            (('remove',), 0, hook.State.NONE),
        ):
            found, _ = self.run_command(*words)
            self.assertEqual((status, state), (found, hook.look(self.place)))
        self.assertEqual([], list(self.place.parent.iterdir()))

    def test_what_it_finds_is_what_nova_loads(self):
        hook.install(self.place)
        self.assertEqual(0o644, self.place.stat().st_mode & 0o777)
        loaded = subprocess.run(
            (
                sys.executable,
                '-c',
                'import nova.virt, sys; '
                f'nova.virt.__path__.append({str(self.place.parent)!r}); '
                'from oslo_utils import importutils; print(importutils'
                '.import_class("nova.virt.gpuvirt.GpuLibvirtDriver"))',
            ),
            capture_output=True,
            text=True,
        )
        self.assertIn('compute.driver.GpuLibvirtDriver', loaded.stdout)

    def test_links_are_told_apart_and_replaced(self):
        self.place.symlink_to(self.driver)
        self.assertEqual(0, self.run_command()[0])
        self.assertIs(hook.State.LINK, hook.look(self.place))
        self.place.unlink()
        self.place.symlink_to('/no/such/file.py')
        status, said = self.run_command()
        self.assertEqual(1, status)
        self.assertIn('leads to nothing', said)
        self.assertEqual(0, self.run_command('install')[0])
        self.assertFalse(self.place.is_symlink())

    def test_that_of_an_older_version_is_replaced(self):
        self.place.write_text(hook.TEXT + '# more\n')
        self.assertEqual(1, self.run_command()[0])
        self.assertEqual(0, self.run_command('install')[0])

    def test_file_of_somebody_else_stays(self):
        self.place.write_text('import this\n')
        for action in (hook.install, hook.remove):
            with self.assertRaisesRegex(
                exception.InvalidOption, 'another file is there'
            ):
                action(self.place)
        self.assertEqual('import this\n', self.place.read_text())
        self.place.unlink()
        self.place.symlink_to(__file__)
        self.assertIs(hook.State.FOREIGN, hook.look(self.place))

    def test_a_package_of_its_name_goes_before_it(self):
        package = self.place.with_suffix('')
        for put in (
            lambda: hook.install(self.place),
            lambda: self.place.symlink_to(self.driver),
        ):
            put()
            self.assertEqual(0, self.run_command()[0])
            package.mkdir()
            # A folder alone does not.
            self.assertEqual(0, self.run_command()[0])
            (package / '__init__.py').touch()
            status, said = self.run_command()
            self.assertEqual(1, status)
            self.assertIn('Python loads what lies beside it', said)
            # It can be taken away nevertheless.
            self.assertEqual(0, self.run_command('remove')[0])
            shutil.rmtree(package)

    def test_it_is_in_the_nova_of_this_python(self):
        place = hook.find()
        self.assertTrue((place.parent / 'driver.py').is_file())
        with (
            mock.patch('importlib.util.find_spec', return_value=None),
            self.assertRaisesRegex(exception.InvalidOption, 'wanted Nova'),
        ):
            hook.find()
