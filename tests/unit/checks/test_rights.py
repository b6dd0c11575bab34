"""As whom nova-compute runs, and what it may do."""

import functools
import tempfile

import testtools
from oslo_rootwrap import wrapper

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import rights
from nova_gpuvirt.checks import sudo
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import userland
from tests.unit.checks import subjects


class RightsTest(testtools.TestCase):
    def start(self, name='l40s'):
        start = functools.partial(hosts.simulated, name)
        return self.useFixture(subjects.Checked(start))

    def add(self, checked, group, text):
        """Add options to nova.conf."""
        place = checked.root / userland.NOVA_CONF
        place.write_text(f'{place.read_text()}[{group}]\n{text}\n')

    def run_as(self, checked, uid, comm='nova-compute'):
        folder = checked.root / 'proc/88'
        folder.mkdir()
        (folder / 'comm').write_text(f'{comm[:15]}\n')
        status = f'Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n'
        (folder / 'status').write_text(status)

    def levels(self, *asked):
        return [f.level.value for found in asked for f in found]

    def test_the_user_is_that_of_the_process(self):
        checked = self.start()
        root = checked.subject.root
        self.assertEqual('nova', rights.user_of(root))
        self.run_as(checked, 0, 'nova-compute-gpuvirt')
        self.assertEqual('root', rights.user_of(root))
        for ask in (rights.user, rights.privsep, sudo.is_allowed):
            self.assertEqual(['PASS'], self.levels(ask(checked.subject)))

    def test_a_user_without_a_name(self):
        checked = self.start()
        self.run_as(checked, 42436)
        root = checked.subject.root
        self.assertEqual('user 42436', rights.user_of(root))

    def test_no_user_tells_nothing(self):
        checked = self.start()
        (checked.root / 'etc/passwd').write_text('root:x:0:0:root:/root:\n')
        self.assertRaises(finding.Unseen, rights.user_of, checked.subject.root)

    def test_a_socket_for_all_needs_no_group(self):
        checked = self.start()
        (checked.root / userland.GROUP).write_text('libvirt:x:118:\n')
        self.assertEqual(['WARN'], self.levels(rights.user(checked.subject)))
        socket = checked.root / 'run/libvirt/libvirt-sock'
        socket.parent.mkdir(parents=True)
        socket.touch()
        socket.chmod(0o770)
        self.assertEqual(['WARN'], self.levels(rights.user(checked.subject)))
        socket.chmod(0o777)
        self.assertEqual(['PASS'], self.levels(rights.user(checked.subject)))

    def test_a_command_of_its_own_needs_no_rootwrap(self):
        checked = self.start()
        (checked.root / userland.HELPER).unlink()
        self.assertEqual(
            ['FAIL'], self.levels(rights.privsep(checked.subject))
        )
        self.add(
            checked,
            'gpuvirt_privileged',
            'helper_command = sudo /opt/nova/bin/privsep-helper --config-file '
            '/etc/nova/nova.conf',
        )
        self.assertEqual(
            ['PASS'], self.levels(rights.privsep(checked.subject))
        )

    def test_rootwrap_needs_no_filter_for_the_helper(self):
        with tempfile.TemporaryDirectory() as folder:
            filters = wrapper.load_filters([folder])
        self.assertEqual(['privsep-helper'], [f.name for f in filters])
        checked = self.start()
        self.assertFalse((checked.root / 'etc/nova/rootwrap.d').exists())
        self.assertEqual(
            ['PASS'], self.levels(rights.privsep(checked.subject))
        )

    def test_rootwrap_looks_for_the_helper_in_its_exec_dirs(self):
        checked = self.start()
        helper = checked.root / userland.HELPER
        place = checked.root / userland.ROOTWRAP
        for folders, level in (
            ('exec_dirs=/nonexistent', 'FAIL'),
            ('exec_dirs=/sbin, /usr/bin', 'FAIL'),  # a folder " /usr/bin"
            ('exec_dirs=/nonexistent,/usr/bin', 'PASS'),
            ('', 'PASS'),
        ):
            place.write_text(f'[DEFAULT]\nfilters_path=/x\n{folders}\n')
            told = self.levels(rights.privsep(checked.subject))
            self.assertEqual([level], told, folders)
        helper.chmod(0o644)
        (found,) = rights.privsep(checked.subject)
        self.assertIn('privsep-helper is in none of', found.found)

    def test_rootwrap_conf_that_can_not_be_read(self):
        checked = self.start()
        for text in ('filters_path=/x\n', '[DEFAULT]\nexec_dirs=/usr/bin\n'):
            (checked.root / userland.ROOTWRAP).write_text(text)
            (found,) = rights.privsep(checked.subject)
            self.assertIs(finding.Level.FAIL, found.level)
            self.assertIn('can not read /etc/nova/rootwrap.conf', found.found)

    def test_cards_that_ask_for_nothing_as_root_do_not_fail(self):
        checked = self.start('epyc')
        (checked.root / userland.HELPER).unlink()
        self.assertEqual(
            ['WARN'], self.levels(rights.privsep(checked.subject))
        )

    def test_processes_of_a_copy_are_not_seen(self):
        checked = self.start('none')
        self.assertEqual(
            ['PASS'], self.levels(rights.processes_are_seen(checked.subject))
        )
        (checked.root / 'proc').rename(checked.root / 'gone')
        self.assertEqual(
            ['WARN'], self.levels(rights.processes_are_seen(checked.subject))
        )
