"""`nova-gpuvirt simulate` writes a host that `discover` can be shown."""

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from nova_gpuvirt.cli import shell


class SimulateTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_command(self, *arguments):
        """Run a command and return its exit status, output and errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = shell.main(list(arguments))
        return status, out.getvalue(), err.getvalue()

    def test_discover_finds_in_the_folder_what_it_finds_on_the_host(self):
        folder = str(self.root / 'new' / 'host')
        status, _, _ = self.run_command('simulate', 't4', folder)
        self.assertEqual(0, status)
        _, of_folder, _ = self.run_command(
            *('discover', '--root', folder, '-f', 'json')
        )
        _, of_host, _ = self.run_command(
            *('discover', '--simulate', 't4', '-f', 'json')
        )
        self.assertEqual(5, len(json.loads(of_folder)))
        self.assertEqual(json.loads(of_host), json.loads(of_folder))

    def test_a_folder_with_a_sys_is_left_as_it_is(self):
        (self.root / 'sys').mkdir()
        status, _, err = self.run_command('simulate', 't4', str(self.root))
        self.assertEqual(1, status)
        self.assertIn('FOLDER: wanted a folder without a "sys"', err)
        self.assertEqual([], list((self.root / 'sys').iterdir()))
        self.assertEqual(['sys'], [p.name for p in self.root.iterdir()])

    def test_an_unknown_host_is_answered_with_the_known_ones(self):
        with self.assertRaisesRegex(SystemExit, '2'):
            self.run_command('simulate', 'mainframe', str(self.root / 'host'))
        self.assertEqual([], list(self.root.iterdir()))
