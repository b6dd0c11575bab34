"""What is asked of libvirt and QEMU depends on the cards and the options."""

import dataclasses

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import versions
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation import userland
from tests.unit.checks import subjects


class VersionsTest(testtools.TestCase):
    def start(self, name, vulkan=False, bare=False, **changes):
        def start(root):
            host = dataclasses.replace(hosts.HOSTS[name](), **changes)
            started = simulated.SimulatedHost(host, root, bare=bare)
            if vulkan:
                place = root / userland.NOVA_CONF
                text = '[gpuvirt]\napi_vulkan = true\n'
                place.write_text(userland.NOVA + text)
            return started

        return self.useFixture(subjects.Checked(start))

    def ask(self, line, *args, **kwargs):
        checked = self.start(*args, **kwargs)
        return [
            (f.level.value, f.remedy if f.level.value != 'PASS' else '')
            for f in finding.together(line(checked.subject))
        ]

    def test_only_cards_that_ask_are_warned_of(self):
        for name, version, found in (
            ('l40s', 9_999_000, ('FAIL', 'install libvirt 10.0.0 or newer')),
            ('h100', 8_006_000, ('FAIL', 'install libvirt 8.7.0 or newer')),
            ('mi300x', 8_006_000, ('FAIL', 'install libvirt 8.7.0 or newer')),
            ('b60', 9_000_000, ('WARN', 'install libvirt 10.0.0 or newer')),
            ('t4', 8_000_000, ('PASS', '')),
            ('h100', 8_007_000, ('PASS', '')),
            ('b50', 9_000_000, ('PASS', '')),
        ):
            told = self.ask(versions.libvirt, name, libvirt=version)
            self.assertEqual([found], told, name)

    def test_cards_without_their_vfs_are_warned_of(self):
        for version, found in (
            (9_010_000, ('WARN', 'install libvirt 10.0.0 or newer')),
            (10_000_000, ('PASS', '')),
        ):
            told = self.ask(
                versions.libvirt, 'l40s', bare=True, libvirt=version
            )
            self.assertEqual([found], told)

    def test_a_libvirt_that_is_assumed_tells_nothing(self):
        checked = self.start('navi')
        checked.machine = dataclasses.replace(
            checked.machine, hypervisor=hypervisor.Absent()
        )
        self.assertRaises(
            finding.Unseen, list, versions.libvirt(checked.subject)
        )
        (found,) = versions.opengl(checked.subject)
        self.assertIs(finding.Level.WARN, found.level)

    def test_vulkan_is_asked_for_with_all_that_it_needs(self):
        new = {'qemu': 9_002_000, 'kernel': '6.13.0', 'libvirt': 10_000_000}
        server = ('usr/libexec/virgl_render_server',)
        sandbox = 'etc/libvirt/qemu.conf'
        off = {sandbox: 'user = "x"\nseccomp_sandbox = 0\n'}
        on = {sandbox: '#seccomp_sandbox = 0\n'}
        for changes, words in (
            ({**new, 'qemu': 9_001_000}, 'QEMU 9.2.0'),
            ({**new, 'kernel': '6.12.9-x'}, 'Linux 6.13'),
            ({**new, 'libvirt': 8_001_000}, 'libvirt 8.2.0'),
            ({**new, 'files': ()}, 'virgl_render_server'),
            ({**new, 'texts': on}, 'seccomp_sandbox = 0'),
            ({**new, 'texts': {}}, 'seccomp_sandbox = 0'),
        ):
            changes = {'files': server, 'texts': off, **changes}
            told = self.ask(versions.vulkan, 'navi', vulkan=True, **changes)
            ((level, remedy),) = told
            self.assertEqual('FAIL', level, words)
            self.assertIn(words, remedy)
        told = self.ask(
            versions.vulkan,
            'navi',
            vulkan=True,
            files=server,
            texts=off,
            **new,
        )
        self.assertEqual([('PASS', '')], told)

    def test_without_the_option_nothing_is_asked(self):
        told = self.ask(versions.vulkan, 'navi', qemu=6_000_000)
        self.assertEqual([('PASS', '')], told)

    def test_versions_as_people_write_them(self):
        self.assertEqual('10.2.0', versions.text(10_002_000))
        self.assertEqual('9.2.1', versions.text(9_002_001))
