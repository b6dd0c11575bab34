"""A host and what `nova-gpuvirt capture` writes of it are said to be alike."""

import configparser
import contextlib
import importlib
import io
import json
import pathlib
import stat

import fixtures
import hypothesis
import testtools
from hypothesis import strategies as st

from nova_gpuvirt.cli import capture
from nova_gpuvirt.cli import export
from nova_gpuvirt.cli import shell
from nova_gpuvirt.simulation import hosts
from tests.unit import captures

_ROOT = pathlib.Path(__file__).parents[3]


def run_command(*arguments):
    """Run a command and return its exit status, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        app = shell.Shell()
        # Also where an older version of the package is installed.
        app.command_manager.add_command('capture', capture.Capture)
        app.command_manager.add_command('export', export.Export)
        status = app.run(list(arguments))
    return status, out.getvalue(), err.getvalue()


class CaptureTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = folder / 'host.json'

    def assert_discovered_alike(self, *where):
        """Compare what is said of a host and of its capture."""
        status, _, err = run_command(
            *('capture', *where, str(self.file), '--yes')
        )
        self.assertEqual(0, status, err)
        for form in ('json', 'table'):
            *here, told = run_command('discover', *where, '-f', form)
            *there, retold = run_command(
                *('discover', '--root', str(self.file), '-f', form)
            )
            self.assertEqual(here, there, where)
            # Only a log names the folder or the file itself.
            if where[0] == '--root':
                told = told.replace(where[1], str(self.file))
            self.assertEqual(told, retold)
        here = run_command('export', *where)
        there = run_command('export', '--root', str(self.file))
        self.assertEqual(here[:2], there[:2], where)
        self.file.unlink()

    def test_each_simulated_host_is_what_its_capture_says(self):
        for name in hosts.names():
            self.assert_discovered_alike('--simulate', name)

    def test_capture_of_a_real_kernel(self):
        root = self.useFixture(captures.Capture('virtual-host')).root
        self.assert_discovered_alike('--root', str(root))

    def test_capture_is_not_captured_again(self):
        run_command('capture', '--simulate', 'gvtg', str(self.file), '--yes')
        other = self.file.with_name('other.json')
        status, _, err = run_command(
            *('capture', '--root', str(self.file), str(other), '--yes')
        )
        self.assertEqual(1, status)
        self.assertIn('--root: wanted a host', err)
        self.assertIn(f'the file {str(self.file)!r}; a capture is copied', err)
        self.assertFalse(other.exists())

    def test_it_is_written_when_who_is_asked_agrees(self):
        for answer, written in (('y', True), ('', False), ('no', False)):
            with fixtures.MonkeyPatch('sys.stdin', _Terminal(f'{answer}\n')):
                status, out, _ = run_command(
                    'capture', '--simulate', 'gvtg', str(self.file)
                )
            self.assertEqual(written, self.file.exists())
            self.assertEqual(0 if written else 1, status)
            self.assertLess(
                out.index('PCI functions'), out.index('Write it to')
            )
            if written:
                mode = stat.S_IMODE(self.file.stat().st_mode)
                self.assertEqual(0o600, mode)
                self.file.unlink()

    def test_nothing_is_written_where_nobody_can_be_asked(self):
        with fixtures.MonkeyPatch('sys.stdin', io.StringIO('y\n')):
            status, out, _ = run_command(
                'capture', '--simulate', 'gvtg', str(self.file)
            )
        self.assertEqual(1, status)
        self.assertIn('Nothing was written: use --yes', out)
        self.assertFalse(self.file.exists())

    def test_file_that_is_there_stays(self):
        self.file.write_text('mine')
        status, _, err = run_command(
            'capture', '--simulate', 'gvtg', str(self.file), '--yes'
        )
        self.assertEqual(1, status)
        self.assertIn('FILE: wanted a file that is not there yet', err)
        self.assertEqual('mine', self.file.read_text())

    def test_capture_that_says_something_else_is_not_written(self):
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.cli.capture._tell', lambda host: str(id(host))
        ):
            status, _, err = run_command(
                *('capture', '--simulate', 'gvtg', str(self.file), '--yes')
            )
        self.assertEqual(1, status)
        self.assertIn('wanted that it says of the cards what the host', err)
        self.assertFalse(self.file.exists())

    def test_command_is_installed_with_the_package(self):
        setup = configparser.ConfigParser()
        setup.read(_ROOT / 'setup.cfg')
        for line in setup['entry_points']['nova_gpuvirt.cli'].split('\n'):
            module, _, name = line.rpartition(' ')[2].partition(':')
            if module:
                getattr(importlib.import_module(module), name)


class HostileFileTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = folder / 'host.json'
        run_command('capture', '--simulate', 'gvtg', str(self.file), '--yes')
        self.good = json.loads(self.file.read_text())

    def discover(self, **changes):
        """Show a changed capture to discover."""
        self.file.write_text(json.dumps({**self.good, **changes}))
        return run_command('discover', '--root', str(self.file))

    def test_file_that_is_no_capture(self):
        for changes in ({'format': 'x'}, {'files': []}, {'files': {'x': 1}}):
            status, _, err = self.discover(**changes)
            self.assertEqual(1, status)
            self.assertIn(f'{self.file}: wanted a file of', err)

    def test_host_of_which_nothing_was_asked(self):
        status, _, err = self.discover(files={})
        self.assertEqual(1, status)
        self.assertIn('nothing asked for it when the host was captured', err)

    @hypothesis.settings(deadline=None, max_examples=40)
    @hypothesis.given(st.data())
    def test_whatever_the_answers_say(self, data):
        files = dict(self.good['files'])
        question = data.draw(st.sampled_from(sorted(files)))
        files[question] = data.draw(
            st.sampled_from(
                [
                    '../../../../etc/passwd',
                    '/etc/passwd',
                    '9' * 5000,
                    '',
                    ['..', '.', '/etc', '0000:ff:1f.7', 'renderDx', ''],
                    {'error': 'EIO'},
                    {'error': 'ENOENT'},
                    7,
                ]
            )
        )
        status, _, err = self.discover(files=files)
        self.assertNotIn('Traceback', err)
        if status:
            self.assertTrue(err.startswith(f'{self.file}: wanted'), err)


class _Terminal(io.StringIO):
    def isatty(self):
        """Let it be asked."""
        return True
