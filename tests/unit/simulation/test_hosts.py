"""The simulated hosts that have names."""

import pathlib

from nova_gpuvirt.simulation import hosts
from tests.unit.simulation import base


class HostsTest(base.TestCase):
    def functions(self, class_prefix):
        devices = self.names(f'{base.PCI}/devices')
        return [
            a
            for a in devices
            if self.read(self.device(a, 'class')).startswith(class_prefix)
        ]

    def values(self, addresses, name):
        return {self.read(self.device(a, name)).strip() for a in addresses}

    def group(self, address):
        return self.path(self.device(address, 'iommu_group')).resolve()

    def test_an_unknown_name_is_answered_with_the_known_ones(self):
        error = self.assertRaises(
            LookupError, hosts.simulated, 'mainframe', pathlib.Path('/x')
        )
        self.assertIn(', gvtg, gvtg-1g, h100, ', str(error))

    def test_every_host_is_the_same_after_a_reboot(self):
        for name in hosts.names():
            self.start(name)
            before = self.host.snapshot()
            self.host.reboot()
            self.assertEqual(before, self.host.snapshot(), name)

    def test_every_link_within_the_devices_has_its_target(self):
        for name in hosts.names():
            self.start(name)
            for path, text in self.host.snapshot().items():
                if text.startswith('-> ') and '/devices/pci' in text:
                    self.assertTrue(self.path(path).exists(), path)

    def test_every_device_has_its_name_in_pci_ids(self):
        for name in hosts.names():
            self.start(name)
            ids = self.read('/usr/share/misc/pci.ids')
            for address in self.names(f'{base.PCI}/devices'):
                vendor = self.read(self.device(address, 'vendor'))[2:6]
                device = self.read(self.device(address, 'device'))[2:6]
                self.assertRegex(
                    ids, rf'\n{vendor}  .+\n(\t.*\n)*\t{device}  .+\n'
                )

    def test_no_two_bars_of_a_host_overlap(self):
        for name in hosts.names():
            self.start(name)
            taken = []
            for address in self.names(f'{base.PCI}/devices'):
                text = self.read(self.device(address, 'resource'))
                for line in text.splitlines()[:13]:
                    start, end, flags = (int(n, 16) for n in line.split())
                    if end and 'physfn' not in self.names(
                        self.device(address)
                    ):
                        taken.append((bool(flags & 0x100), start, end))
            taken.sort()
            for before, after in zip(taken, taken[1:], strict=False):
                self.assertTrue(
                    before[0] != after[0] or before[2] < after[1],
                    (name, before, after),
                )

    def test_t4_has_four_cards_in_two_nodes(self):
        self.start('t4')
        cards = self.functions('0x0302')
        self.assertEqual(
            ['0000:3b:00.0', '0000:5e:00.0', '0000:af:00.0', '0000:d8:00.0'],
            cards,
        )
        self.assertEqual({'0x1eb8'}, self.values(cards, 'device'))
        self.assertEqual({'0', '1'}, self.values(cards, 'numa_node'))
        self.assertEqual({'nvidia'}, {self.driver(a) for a in cards})
        for card in cards:
            self.assertEqual(17, len(self.available(card)))
            self.assertEqual(
                [card], [p.name for p in self.group(card).glob('devices/*')]
            )

    def test_t4_names_its_types_as_the_driver_does(self):
        self.start('t4')
        types = self.device('0000:3b:00.0', 'mdev_supported_types')
        self.assertEqual(
            'GRID T4-16Q\n', self.read(f'{types}/nvidia-234/name')
        )
        self.assertEqual(
            'num_heads=4, frl_config=45, framebuffer=1024M, '
            'max_resolution=5120x2880, max_instance=16\n',
            self.read(f'{types}/nvidia-222/description'),
        )
        self.assertEqual(
            'vfio-pci\n', self.read(f'{types}/nvidia-222/device_api')
        )

    def test_t4_boots_on_the_display_of_its_bmc(self):
        self.start('t4')
        (display,) = self.functions('0x0300')
        self.assertEqual('0x1a03\n', self.read(self.device(display, 'vendor')))
        self.assertEqual('1\n', self.read(self.device(display, 'boot_vga')))
        self.assertEqual(2, len(self.functions('0x0200')))

    def test_h100_has_eight_gpus_on_vfio(self):
        self.start('h100')
        gpus = self.functions('0x0302')
        self.assertEqual(8, len(gpus))
        self.assertEqual({'vfio-pci'}, {self.driver(a) for a in gpus})
        self.assertEqual(8, len({self.group(a) for a in gpus}))
        nodes = [self.read(self.device(a, 'numa_node')) for a in gpus]
        self.assertEqual(['0\n'] * 4 + ['1\n'] * 4, nodes)
        bar = self.read(self.device(gpus[0], 'resource')).splitlines()[2]
        start, end, _ = (int(n, 16) for n in bar.split())
        self.assertEqual(128 << 30, end - start + 1)

    def test_h100_has_nvswitches_and_a_network_card_with_vfs(self):
        self.start('h100')
        switches = self.functions('0x0680')
        self.assertEqual(4, len(switches))
        self.assertEqual({'0x22a3'}, self.values(switches, 'device'))
        self.assertEqual(3, len(self.functions('0x0200')))
        self.assertEqual(1, len(self.functions('0x0300')))

    def test_b200_has_four_bridges_and_no_nvswitch(self):
        self.start('hgx-b200')
        self.assertEqual([], self.functions('0x0680'))
        bridges = self.functions('0x0207')
        self.assertEqual([f'0000:05:00.{n}' for n in range(4)], bridges)
        self.assertEqual({'mlx5_core'}, {self.driver(a) for a in bridges})
        self.assertEqual({'2'}, self.values(bridges, 'current_link_width'))
        gpus = self.functions('0x0302')
        self.assertEqual(8, len(gpus))
        said = self.host.run(('nvidia-smi', '-q', '-i', gpus[0]))
        self.assertIn('Peer Type                         : Switch', said)

    def test_links_of_a_bridge_are_told_while_the_driver_has_both(self):
        self.start('h100-nvl')
        question = ('nvidia-smi', 'nvlink', '-R', '-i', '0000:17:00.0')
        said = self.host.run(question)
        self.assertIn('Link 0: Remote Device 00000000:3D:00.0: Link 0', said)
        self.assertEqual(12, said.count('Remote Device'))
        self.host.write(
            f'{base.PCI}/devices/0000:3d:00.0/driver/unbind', '0000:3d:00.0'
        )
        self.assertNotIn('Remote Device', self.host.run(question))

    def test_gvtg_shows_its_screen_on_the_gpu_that_it_shares(self):
        self.start('gvtg')
        (gpu,) = self.functions('0x03')
        self.assertEqual('0000:00:02.0', gpu)
        self.assertEqual('1\n', self.read(self.device(gpu, 'boot_vga')))
        self.assertEqual([gpu], self.names('/sys/class/mdev_bus'))

    def test_workstation_has_one_group_for_the_whole_card(self):
        self.start('workstation')
        card = [f'0000:01:00.{n}' for n in range(4)]
        self.assertEqual(1, len({self.group(a) for a in card}))
        self.assertEqual(
            ['nouveau', 'snd_hda_intel', 'xhci_hcd', 'nvidia-gpu'],
            [self.driver(a) for a in card],
        )
        self.assertEqual('0\n', self.read(self.device(card[0], 'boot_vga')))
        self.assertNotIn('boot_vga', self.names(self.device(card[1])))
        self.assertEqual([], self.names('/sys/class/mdev_bus'))

    def test_the_vfs_of_amd_and_intel_are_as_many_as_described(self):
        for name, class_prefix, pf, vf, cards, vfs in (
            ('s7150x2', '0x0300', '0x6929', '0x692f', 2, 16),
            ('mi300x', '0x1200', '0x74a1', '0x74b5', 8, 8),
            ('v710', '0x0380', '0x7460', '0x7461', 1, 12),
            ('flex170', '0x0380', '0x56c0', '0x56c0', 2, 8),
            ('flex140', '0x0380', '0x56c1', '0x56c1', 2, 6),
            ('b60', '0x0300', '0xe211', '0xe211', 1, 4),
            ('b50', '0x0300', '0xe212', '0xe212', 1, 2),
            ('alder-lake', '0x0300', '0x4680', '0x4680', 1, 7),
            ('alder-lake-no-vfs', '0x0300', '0x4680', '0x4680', 1, 0),
        ):
            self.start(name)
            found = {True: [], False: []}
            for address in self.functions(class_prefix):
                names = self.names(self.device(address))
                if self.read(self.device(address, 'vendor')) != '0x1a03\n':
                    found['physfn' in names].append(address)
            self.assertEqual(cards, len(found[False]), name)
            self.assertEqual({pf}, self.values(found[False], 'device'))
            self.assertEqual(cards * vfs, len(found[True]), name)
            self.assertEqual(
                {vf} if vfs else set(), self.values(found[True], 'device')
            )
            self.assertEqual(
                {None} if vfs else set(),
                {self.driver(a) for a in found[True]},
            )
            self.assertEqual(
                cards * vfs, len({self.group(a) for a in found[True]})
            )

    def test_s7150x2_and_flex140_have_two_gpus_behind_a_switch(self):
        for name, first, second in (
            ('s7150x2', '0000:3d:00.0', '0000:3e:00.0'),
            ('flex140', '0000:50:00.0', '0000:51:00.0'),
        ):
            self.start(name)
            places = [
                self.path(self.device(a)).resolve() for a in (first, second)
            ]
            ports = [place.parent.name for place in places]
            self.assertEqual(2, len(set(ports)), name)
            switches = {place.parents[1] for place in places}
            self.assertEqual(1, len(switches), name)

    def test_mi300x_has_vfs_with_large_bars_in_two_nodes(self):
        self.start('mi300x')
        vfs = [a for a in self.functions('0x1200') if not a.endswith('00.0')]
        self.assertEqual({'0', '1'}, self.values(vfs, 'numa_node'))
        bar = self.read(self.device(vfs[0], 'resource')).splitlines()[0]
        start, end, _ = (int(n, 16) for n in bar.split())
        self.assertEqual(32 << 30, end - start + 1)

    def test_alder_lake_has_its_vfs_right_behind_the_gpu(self):
        self.start('alder-lake')
        self.assertEqual(
            [f'0000:00:02.{n}' for n in range(8)], self.functions('0x0300')
        )
        boot = self.device('0000:00:02.0', 'boot_vga')
        self.assertEqual('1\n', self.read(boot))

    def test_b60_can_migrate_and_b50_can_not(self):
        for name, drivers in (
            ('b60', ['vfio-pci', 'xe', 'xe-vfio-pci']),
            ('b50', ['vfio-pci', 'xe']),
        ):
            self.start(name)
            names = self.names(f'{base.PCI}/drivers')
            self.assertEqual(
                drivers, [n for n in names if n.startswith(('vfio', 'xe'))]
            )

    def test_none_has_neither_gpu_nor_iommu(self):
        self.start('none')
        self.assertEqual([], self.functions('0x03'))
        self.assertEqual([], self.names('/sys/class/iommu'))
        self.assertEqual([], self.names('/sys/kernel/iommu_groups'))
