"""`nova-gpuvirt simulate` writes a host that `discover` can be shown."""

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from nova_gpuvirt.cli import shell
from nova_gpuvirt.simulation import hosts


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

    def assert_refused(self, words, *arguments):
        status, out, err = self.run_command(*arguments)
        self.assertEqual((1, ''), (status, out))
        self.assertIn(words, err)

    def test_an_unknown_host_is_answered_with_those_of_like_name(self):
        for arguments in (
            ('simulate', 'l40', str(self.root / 'host')),
            ('discover', '--simulate', 'l40'),
            ('capture', '--simulate', 'l40', str(self.root / 'file')),
        ):
            self.assert_refused(
                "wanted a simulated host, found 'l40'; is it l40s", *arguments
            )
        self.assert_refused(
            "--simulate: wanted a simulated host, found 'mainframe'; see "
            '"nova-gpuvirt simulate --list"',
            *('discover', '--simulate', 'mainframe'),
        )
        self.assertEqual([], list(self.root.iterdir()))

    def test_what_is_missing_is_asked_for(self):
        self.assert_refused(
            'simulate: wanted HOST and FOLDER, found none; name both',
            'simulate',
        )
        self.assert_refused("found 't4'; name both", 'simulate', 't4')

    def test_folder_that_can_not_be_made_is_refused(self):
        file = self.root / 'file'
        file.touch()
        for folder in (file, file / 'below'):
            self.assert_refused(
                'FOLDER: wanted a folder that can be made and written to, '
                'found [Errno ',
                *('simulate', 't4', str(folder)),
            )

    def test_hosts_are_listed_with_what_each_has(self):
        status, out, _ = self.run_command('simulate', '--list')
        self.assertEqual(0, status)
        lines = dict(line.split(None, 1) for line in out.splitlines())
        self.assertEqual(hosts.names(), tuple(lines))
        self.assertEqual(
            'four NVIDIA T4 with mdev types, in two NUMA nodes', lines['t4']
        )
        for line in out.splitlines():
            self.assertLessEqual(len(line), 80)

    def test_each_host_says_what_it_has(self):
        for name in hosts.names():
            self.assertRegex(hosts.about(name), r'^(an? |\w+ )\w.*[^.]$')
            first = hosts.HOSTS[name].__doc__.splitlines()[0]
            self.assertTrue(first.startswith('Describe '), name)
