"""The commands about a layout follow the file that nova-compute follows."""

import contextlib
import io
import pathlib
from unittest import mock

import fixtures
import testtools

from nova_gpuvirt.cli import apply
from nova_gpuvirt.cli import assert_
from nova_gpuvirt.cli import export
from nova_gpuvirt.cli import plan
from nova_gpuvirt.cli import shell
from nova_gpuvirt.cli import where
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text
from nova_gpuvirt.simulation import hosts

_PLACE = 'etc/nova-gpuvirt/layout.yaml'
_FOUR_VFS = 'version: 1\ncards: [{select: {model: "*B60*"}, vfs: 4}]\n'
_NO_VFS = 'version: 1\ncards: [{vfs: 0}]\n'
_COMMANDS = {
    'apply': apply.Apply,
    'assert': assert_.Assert,
    'export': export.Export,
    'plan': plan.Plan,
}


class LayoutsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        hosts.simulated('b60', self.root)

    def write(self, path, text):
        """Write a file of the host."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def run_command(self, name, *arguments):
        """Run a command and return its exit status and what it says."""
        command = shell.Shell()
        command.command_manager.add_command(name, _COMMANDS[name])
        out = io.StringIO()
        command.stdout = command.stderr = out
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = command.run([name, *arguments])
        return status, ' '.join(out.getvalue().split())

    def on_host(self, name, *arguments):
        return self.run_command(name, '--root', str(self.root), *arguments)

    def test_the_layout_is_that_of_the_host(self):
        self.write(_PLACE, _NO_VFS)
        self.assertIn('1. remove its VFs', self.on_host('plan')[1])
        self.assertEqual(1, self.on_host('assert')[0])
        self.write(_PLACE, _FOUR_VFS)
        self.assertIn('is as it shall be', self.on_host('plan')[1])
        self.assertEqual((0, ''), self.on_host('assert'))

    def test_what_is_left_to_nova_compute_waits(self):
        self.write(_PLACE, _NO_VFS)
        said = self.on_host('plan')[1]
        self.assertNotIn('waits: a server may have claimed', said)
        self.write(
            'var/lib/nova-gpuvirt/cards/0000:17:00.0.json',
            record_text.dump(
                record.Record(layout=record.Layout('8086:e211', '{"vfs": 4}'))
            ),
        )
        said = self.on_host('plan')[1]
        self.assertIn('waits: a server may have claimed', said)

    def test_without_a_layout_there_is_nothing_to_go_by(self):
        for name in ('plan', 'assert'):
            status, said = self.on_host(name)
            self.assertEqual(0, status)
            self.assertIn(
                f'there is no layout (/{_PLACE}): cards are as', said
            )
            self.assertNotIn('as it shall be', said)
        status, said = self.run_command('apply', '--simulate', 'b60')
        self.assertEqual(0, status)
        self.assertIn(f'there is no layout (/{_PLACE}): cards are as', said)

    def test_without_a_layout_nobody_waits_for_libvirt(self):
        """While a host starts, libvirt waits for the service's apply."""
        with mock.patch.object(where, 'find') as find:
            self.assertEqual(0, self.on_host('apply')[0])
        find.assert_not_called()

    def test_the_layout_that_nova_conf_names(self):
        self.write(_PLACE, _FOUR_VFS)
        self.write('srv/other.yaml', _NO_VFS)
        self.write(
            'etc/nova/nova.conf', '[gpuvirt]\nlayout = /srv/other.yaml\n'
        )
        self.assertIn('1. remove its VFs', self.on_host('plan')[1])
        self.assertEqual(1, self.on_host('assert')[0])
        # Also where it is not there.
        self.write('etc/nova/nova.conf', '[gpuvirt]\nlayout = /srv/none\n')
        self.assertIn('no layout (/srv/none)', self.on_host('assert')[1])

    def test_the_layout_that_another_nova_conf_names(self):
        self.write('srv/other.yaml', _NO_VFS)
        conf = self.write(
            'srv/nova.conf', '[gpuvirt]\nlayout = /srv/other.yaml\n'
        )
        found = self.on_host('plan', '--config-file', str(conf))
        self.assertIn('1. remove its VFs', found[1])
        status, said = self.on_host('plan', '--config-file', f'{conf}.old')
        self.assertEqual(1, status)
        self.assertIn(f'found no {conf}.old', said)

    def test_nova_conf_that_can_not_be_read_may_name_any_file(self):
        self.write(_PLACE, _FOUR_VFS)
        conf = self.write('etc/nova/nova.conf', '')
        conf.unlink()
        conf.symlink_to('nova.conf')  # ELOOP, also for root
        status, said = self.on_host('assert')
        self.assertEqual(1, status)
        self.assertIn('/etc/nova/nova.conf can not be read', said)
        conf.unlink()
        conf.write_text('layout = no group\n')
        status, said = self.on_host('assert')
        self.assertEqual(1, status)
        self.assertIn('etc/nova/nova.conf is no file of options', said)

    def test_layout_that_says_what_can_not_be(self):
        self.write(_PLACE, 'version: 1\ncards: [{vfs: many}]\n')
        status, said = self.on_host('assert')
        self.assertEqual(1, status)
        self.assertIn(f'/{_PLACE}, line 2: wanted', said)
        # What a host is has nothing to do with what it shall be.
        status, said = self.on_host('export')
        self.assertEqual(0, status)
        self.assertIn('vfs: 4', said)

    def test_layout_that_can_not_be_read(self):
        self.write(f'{_PLACE}/x', '')
        status, said = self.on_host('assert')
        self.assertEqual(1, status)
        self.assertIn(f'/{_PLACE} can not be read', said)

    def test_layout_that_is_no_text(self):
        self.write(_PLACE, '').write_bytes(b'version: 1 # \xe4\ncards: []\n')
        status, said = self.on_host('assert')
        self.assertEqual(1, status)
        self.assertIn(f'/{_PLACE}: wanted text in UTF-8', said)

    def test_named_layout_is_of_this_machine(self):
        self.write(_PLACE, _FOUR_VFS)
        named = self.write('named.yaml', _NO_VFS)
        found = self.on_host('plan', '--layout', str(named))
        self.assertIn('1. remove its VFs', found[1])
        status, said = self.on_host('plan', '--layout', f'{named}.old')
        self.assertEqual(1, status)
        self.assertIn('wanted a file, found none', said)
