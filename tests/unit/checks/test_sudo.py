"""sudo is asked for what nova-compute's user may run."""

import dataclasses
import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import sudo
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation import userland
from nova_gpuvirt.simulation.commands import sudo as simulated_sudo
from tests.unit.checks import subjects

ROOTWRAP = '/usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *'


class SudoTest(testtools.TestCase):
    def start(self, *allowed, name='epyc', **tags):
        """Start a host whose sudo allows these commands."""
        described = hosts.HOSTS[name]()
        command = simulated_sudo.Sudo(*allowed, **tags).run
        described = dataclasses.replace(
            described, commands={**described.commands, 'sudo': command}
        )
        start = functools.partial(simulated.SimulatedHost, described)
        return self.useFixture(subjects.Checked(start))

    def add(self, checked, group, text):
        """Add options to nova.conf."""
        place = checked.root / userland.NOVA_CONF
        place.write_text(f'{place.read_text()}[{group}]\n{text}\n')

    def ask(self, checked):
        (found,) = sudo.is_allowed(checked.subject)
        return found

    def test_the_whole_command_is_asked_for(self):
        asked = []

        def run(argv):
            asked.append(' '.join(argv))
            return 'NOPASSWD: ALL'

        for group, text, words in (
            ('x', '', 'nova-rootwrap /etc/nova/rootwrap.conf privsep-helper'),
            ('workarounds', 'disable_rootwrap = yes', 'privsep-helper'),
            (
                'gpuvirt_privileged',
                'helper_command = sudo -E -u root /opt/nova/bin/privsep-helper'
                ' --config-file /etc/x.conf',
                '/opt/nova/bin/privsep-helper --config-file /etc/x.conf '
                '--privsep_context',
            ),
        ):
            checked = self.start()
            checked.machine = dataclasses.replace(checked.machine, run=run)
            self.add(checked, group, text)
            self.assertIs(finding.Level.PASS, self.ask(checked).level)
            self.assertEqual('sudo -n -l -U nova', asked.pop())
            start = f'sudo -n -l -U nova {words}'
            self.assertEqual(start, asked.pop()[: len(start)])

    def test_what_is_not_allowed(self):
        for allowed in ((), ('/bin/true',)):
            found = self.ask(self.start(*allowed, name='l40s'))
            self.assertIs(finding.Level.FAIL, found.level)
            self.assertIn('not let nova run nova-rootwrap', found.found)
            self.assertIn('NOPASSWD: nova-rootwrap', found.remedy)

    def test_a_password_is_none_of_a_service(self):
        found = self.ask(self.start(ROOTWRAP, name='l40s', tag=''))
        self.assertIs(finding.Level.FAIL, found.level)
        self.assertIn('asks nova for a password', found.found)

    def test_a_command_of_its_own_needs_no_sudo(self):
        checked = self.start()
        self.add(
            checked, 'gpuvirt_privileged', 'helper_command = /opt/as-root'
        )
        self.assertIs(finding.Level.PASS, self.ask(checked).level)

    def test_a_sudo_that_can_not_be_asked_allows_and_forbids_nothing(self):
        checked = self.start()
        for changes in (
            {'sysfs': sysfs.Sysfs(checked.root)},
            {'run': commands.none},
        ):
            machine = checked.machine
            checked.machine = dataclasses.replace(machine, **changes)
            error = self.assertRaises(finding.Unseen, self.ask, checked)
            self.assertIn('as root', error.remedy)
            checked.machine = machine
        checked.host.hang('sudo')
        error = self.assertRaises(finding.Unseen, self.ask, checked)
        self.assertIn('can not be asked', str(error))

    def test_a_user_without_a_name_has_a_number(self):
        checked = self.start()
        folder = checked.root / 'proc/88'
        folder.mkdir()
        (folder / 'comm').write_text('nova-compute\n')
        (folder / 'status').write_text('Uid:\t42\t42\t42\t42\n')
        asked = []
        checked.machine = dataclasses.replace(
            checked.machine, run=lambda argv: asked.append(argv[4]) or ''
        )
        self.assertIs(finding.Level.WARN, self.ask(checked).level)
        self.assertEqual(['#42'], asked)
