"""`nova-gpuvirt check` tells what it found, and by its exit status."""

import contextlib
import io
import json
import pathlib
import textwrap

import fixtures
import testtools

from nova_gpuvirt.checks import lines
from nova_gpuvirt.cli import check
from nova_gpuvirt.cli import shell
from nova_gpuvirt.simulation import hosts
from tests.unit import captures

_MANUAL = pathlib.Path(__file__).parents[3] / 'doc/source/cli/index.rst'


class CheckTest(testtools.TestCase):
    def run_command(self, *arguments):
        """Run the command and return its exit status, output and errors."""
        command = shell.Shell()
        command.command_manager.add_command('check', check.Check)
        out, err = io.StringIO(), io.StringIO()
        command.stdout, command.stderr = out, err
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command.run(['check', *arguments])
        return status, out.getvalue(), err.getvalue()

    def test_a_healthy_host(self):
        status, out, err = self.run_command('--simulate', 'l40s')
        self.assertEqual((0, ''), (status, err))
        count = len(lines.LINES)
        self.assertEqual(count, out.count('PASS  '))
        self.assertTrue(out.endswith(f'0 FAIL, 0 WARN, {count} PASS.\n'))

    def test_a_failure_and_its_remedy(self):
        status, out, _ = self.run_command('--fault', 'iommu')
        self.assertEqual(1, status)
        said = out.splitlines()
        (number,) = (n for n, x in enumerate(said) if x.startswith('FAIL'))
        self.assertIn('the kernel uses no IOMMU', said[number])
        self.assertIn('-> put intel_iommu=on', said[number + 1])

    def test_a_warning_is_no_failure(self):
        status, out, _ = self.run_command('--fault', 'holders')
        self.assertEqual(0, status)
        self.assertIn('WARN  holders', out)

    def test_for_programs(self):
        status, out, _ = self.run_command('--fault', 'groups', '-f', 'json')
        self.assertEqual(1, status)
        by_level = {}
        for row in json.loads(out):
            by_level.setdefault(row['Level'], []).append(row)
        (failed,) = by_level['FAIL']
        self.assertEqual('groups', failed['Check'])
        self.assertEqual(['0000:0f:00.0'], failed['Devices'])
        self.assertIn('ACS', failed['Remedy'])

    def test_the_manual_shows_what_it_says(self):
        _, out, _ = self.run_command('--fault', 'groups')
        page = _MANUAL.read_text().partition('check --fault groups\n')[2]
        shown = textwrap.dedent(page.partition('\n\n')[0])
        first, last = shown.split('…\n')
        self.assertEqual(first, out[: len(first)])
        self.assertTrue(out.endswith(f'\n{last}\n'), last)

    def test_there_is_one_host(self):
        error = self.assertRaises(
            SystemExit,
            self.run_command,
            *('--simulate', 't4', '--fault', 'iommu'),
        )
        self.assertEqual(2, error.code)

    def test_a_folder(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        hosts.simulated('epyc', folder)
        status, out, _ = self.run_command('--root', str(folder))
        self.assertEqual(0, status)
        # What no folder can tell.
        self.assertIn('WARN  libvirt', out)
        self.assertIn('WARN  holders', out)
        self.assertIn('1 NVIDIA A100', out)

    def test_a_nova_conf_is_named_of_this_machine(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        place = folder / 'mine.conf'
        place.write_text('[DEFAULT]\ncompute_driver = mine.Driver\n')
        hosts.simulated('epyc', folder / 'host')
        for where in (
            ('--simulate', 'epyc'),
            ('--root', str(folder / 'host')),
        ):
            status, out, _ = self.run_command(
                *where, '--config-file', str(place), '-f', 'json'
            )
            self.assertEqual(1, status)
            found = {row['Check']: row['Found'] for row in json.loads(out)}
            self.assertIn(f'{place} was read', found['nova.conf'])
            self.assertIn('mine.Driver', found['driver'])

    def test_a_nova_conf_that_is_named_and_missing(self):
        status, out, err = self.run_command(
            *('--simulate', 'epyc', '--config-file', '/no/such/nova.conf')
        )
        self.assertEqual((1, ''), (status, out))
        self.assertIn('/no/such/nova.conf', err)

    def test_sysfs_alone_of_a_real_kernel(self):
        root = self.useFixture(captures.Capture('virtual-host')).root
        status, out, _ = self.run_command('--root', str(root), '-f', 'json')
        rows = {row['Check']: row for row in json.loads(out)}
        self.assertEqual('WARN', rows['acs']['Level'])
        self.assertIn('no /proc/cmdline', rows['acs']['Found'])
        self.assertEqual('PASS', rows['iommu']['Level'])
        self.assertEqual('PASS', rows['large-bars']['Level'])
        self.assertIn(status, (0, 1))
