"""A simulated host is prepared as its description says."""

import dataclasses

from nova_gpuvirt.simulation import described_libvirt
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import userland
from tests.unit.simulation import base

_UNSET = 0x20000000


class PreparedTest(base.TestCase):
    def prepare(self, name, **changes):
        description = dataclasses.replace(hosts.HOSTS[name](), **changes)
        self.start_described(description)

    def lines(self, address):
        text = self.read(self.device(address, 'resource'))
        return [[int(n, 16) for n in x.split()] for x in text.splitlines()]

    def test_command_line_has_the_iommus_words(self):
        for changes, words in (
            ({}, 'intel_iommu=on'),
            ({'iommu': False}, ''),
            ({'words': 'iommu=pt'}, 'iommu=pt'),
        ):
            self.prepare('vgem', **{'iommu': True, **changes})
            self.assertTrue(
                self.read('/proc/cmdline').endswith(f' ro {words}\n')
            )

    def test_ari_reaches_the_vfs_of_a_card_behind_a_port(self):
        for name, address, ari in (
            ('l40s', '0000:41:00.0', 1),
            ('l40s', '0000:41:01.0', 1),
            ('alder-lake', '0000:00:02.0', 0),
            ('epyc', '0000:41:00.0', 0),
        ):
            self.prepare(name)
            path = self.device(address, 'ari_enabled')
            self.assertEqual(f'{ari}\n', self.read(path), address)
            port = self.path(self.device(address)).resolve().parent
            if (port / 'ari_enabled').exists():
                self.assertEqual('0\n', (port / 'ari_enabled').read_text())
        self.prepare('l40s', ari=False)
        path = self.device('0000:41:00.0', 'ari_enabled')
        self.assertEqual('0\n', self.read(path))

    def test_firmware_without_room_leaves_large_bars_without_an_address(self):
        self.prepare('mi300x')
        before = self.lines('0000:05:00.0')
        self.prepare('mi300x', above_4g=False)
        for old, new in zip(before, self.lines('0000:05:00.0'), strict=True):
            size = old[1] - old[0]
            if size + 1 < 1 << 32:
                self.assertEqual(old[2], new[2])
            else:
                self.assertEqual([0, size, old[2] | _UNSET], new)

    def test_huge_pages_are_those_of_each_node(self):
        self.prepare('l40s', huge_pages=(0, 512))
        folder = '/sys/devices/system/node/node{}/hugepages/hugepages-2048kB'
        counts = [
            self.read(f'{folder.format(node)}/nr_hugepages') for node in (0, 1)
        ]
        self.assertEqual(['0\n', '512\n'], counts)

    def test_texts_stand_in_place_of_its_files(self):
        texts = {userland.NOVA_CONF: '[x]\n', 'etc/other': 'y\n'}
        self.prepare('none', texts=texts)
        for _ in range(2):
            self.assertEqual('[x]\n', self.read('/etc/nova/nova.conf'))
            self.assertEqual('y\n', self.read('/etc/other'))
            self.assertIn('nova:', self.read('/etc/passwd'))
            self.host.reboot()

    def test_a_file_that_is_there_stays(self):
        root = self.root()
        (root / 'etc').mkdir()
        (root / 'etc/passwd').write_text('somebody\n')
        self.host = hosts.simulated('none', root)
        self.assertEqual('somebody\n', self.read('/etc/passwd'))
        self.path('/etc/nova/nova.conf').write_text('[DEFAULT]\n')
        self.host.reboot()
        self.assertEqual('[DEFAULT]\n', self.read('/etc/nova/nova.conf'))

    def test_libvirt_tells_what_is_described(self):
        for changes, virgl, venus in (
            ({'qemu': 9_002_000}, True, True),
            ({'qemu': 9_001_000}, True, False),
            ({'opengl': False}, False, False),
        ):
            host = dataclasses.replace(hosts.HOSTS['none'](), **changes)
            libvirt = described_libvirt.DescribedLibvirt(host)
            can = libvirt.renderer()
            self.assertEqual((virgl, venus), (can.virgl, can.venus))
            self.assertEqual(host.libvirt, libvirt.version())
            self.assertEqual(host.qemu, libvirt.qemu_version())
            self.assertTrue(libvirt.answers)
