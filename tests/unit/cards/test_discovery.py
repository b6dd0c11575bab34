"""The walk is right on the sysfs of a real kernel."""

import pathlib
import shutil

import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from tests.unit import captures

_MIB = 1 << 20


class CaptureTestCase(testtools.TestCase):
    # QEMU's display, which stands for a card with a companion.
    accelerators = frozenset({(0x1234, 0x1111)})

    def setUp(self):
        super().setUp()
        self.root = self.useFixture(captures.Capture('virtual-host')).root

    def survey(self, **wished):
        seen = machine.Machine(
            sysfs.Sysfs(self.root),
            pciids.PciIds([]),
            hypervisor.Absent(),
            accelerators=self.accelerators,
        )
        host = gpus.Gpus(
            seen, operator_filter.OperatorFilter(**wished)
        ).survey(refresh=True)
        self.gpus = {str(gpu.address): gpu for gpu in host.gpus}
        return host

    def device(self, address):
        link = self.root / 'sys/bus/pci/devices' / address
        return pathlib.Path(link.resolve())

    def rewrite(self, address, name, text):
        path = self.device(address) / name
        path.chmod(0o644)
        path.write_text(text)


class DiscoveryTest(CaptureTestCase):
    def test_every_gpu_is_found_and_nothing_else(self):
        host = self.survey()
        self.assertEqual(
            [
                '0000:00:07.0',
                '0000:01:00.0',
                '0000:03:00.0',
                '0000:04:00.0',
                '0000:05:00.0',
                '0000:06:00.0',
                '0000:07:00.0',
                'renderD129',
            ],
            [str(gpu.address) for gpu in host.gpus],
        )
        self.assertEqual({}, host.unreadable)
        self.assertTrue(host.has_iommu)

    def test_boot_vga_is_not_offered(self):
        self.survey()
        gpu = self.gpus['0000:00:07.0']
        self.assertIn('boot VGA', gpu.whole_refusal)
        self.assertEqual((), gpu.profiles)

    def test_audio_goes_with_its_gpu(self):
        self.survey()
        gpu = self.gpus['0000:01:00.0']
        self.assertIsNone(gpu.whole_refusal)
        (audio,) = gpu.companions
        self.assertEqual('0000:01:00.1', str(audio.address))
        self.assertEqual(0x040300, audio.class_code)
        self.assertEqual('snd_hda_intel', audio.driver)
        self.assertEqual(13, audio.iommu_group)

    def test_vfs_of_another_class_belong_to_their_pf(self):
        self.survey()
        gpu = self.gpus['0000:03:00.0']
        self.assertEqual((), gpu.companions)
        self.assertEqual(
            [f'0000:03:00.{n}' for n in (1, 2, 3, 4)],
            [str(vf) for vf in gpu.function.virtfns],
        )
        self.assertEqual(4, gpu.function.sriov_totalvfs)
        self.assertIn('4 virtual functions', gpu.whole_refusal)

    def test_mdev_parent_has_its_profiles_and_the_vgpu_of_somebody(self):
        self.survey()
        gpu = self.gpus['0000:04:00.0']
        self.assertEqual(
            [('simvgpu-1q', 3), ('simvgpu-2q', 3), ('simvgpu-4q', 3)],
            [(p.slug, p.available) for p in gpu.profiles],
        )
        (vgpu,) = gpu.vgpus
        self.assertEqual('simvgpu-1q', vgpu.profile)
        self.assertEqual(
            (16 * _MIB, 256 * _MIB, 0, 0, 0, 0), gpu.function.bars
        )

    def test_drivers_are_those_that_are_bound(self):
        self.survey()
        self.assertEqual(
            ['vfio-pci', None, None],
            [self.gpus[f'0000:0{n}:00.0'].function.driver for n in (5, 6, 7)],
        )

    def test_names_are_numbers_without_a_pci_ids(self):
        self.survey()
        gpu = self.gpus['0000:04:00.0']
        self.assertEqual(('10de', '1eb8'), (gpu.vendor, gpu.model))

    def test_excluded_card_is_not_offered(self):
        for glob in ('0000:05:*', '0000:05:00.0'):
            self.survey(exclude=(glob,))
            offered = {a for a, gpu in self.gpus.items() if gpu.offered}
            self.assertNotIn('0000:05:00.0', offered)
            self.assertIn('0000:06:00.0', offered)

    def test_address_to_exclude_may_be_in_capitals(self):
        devices = self.root / 'sys/bus/pci/devices'
        device = self.device('0000:05:00.0')
        other = device.with_name('0000:c8:00.0')
        shutil.copytree(device, other, symlinks=True)
        (devices / '0000:c8:00.0').symlink_to(other)
        self.survey(exclude=('0000:C8:00.0',))
        self.assertFalse(self.gpus['0000:c8:00.0'].offered)

    def test_kinds_and_profiles_that_are_not_wished_are_not_offered(self):
        self.survey(kinds=('mdev',), profiles=('simvgpu-1*',))
        gpu = self.gpus['0000:04:00.0']
        self.assertFalse(gpu.offered)
        self.assertEqual(
            [True, False, False], [p.offered for p in gpu.profiles]
        )
        self.survey(kinds=('passthrough',))
        gpu = self.gpus['0000:04:00.0']
        self.assertTrue(gpu.offered)
        self.assertFalse(any(p.offered for p in gpu.profiles))


class NonsenseTest(CaptureTestCase):
    """One bad card never hides the good ones."""

    def assert_only_bad(self, address):
        refused = {a for a, gpu in self.gpus.items() if gpu.refusal}
        self.assertEqual({address}, refused)
        self.assertEqual(8, len(self.gpus))

    def test_class_that_is_nonsense(self):
        for text in ('0xffffff\n', 'ff ff\n', ''):
            self.rewrite('0000:05:00.0', 'class', text)
            host = self.survey()
            (address,) = host.unreadable
            self.assertEqual('0000:05:00.0', str(address))
            self.assertIn('class', host.unreadable[address])
            self.assertEqual(7, len(host.gpus))

    def test_attribute_that_is_nonsense(self):
        for name in ('vendor', 'numa_node', 'resource'):
            path = self.device('0000:05:00.0') / name
            good = path.read_text()
            self.rewrite('0000:05:00.0', name, '?\n')
            self.survey()
            self.assert_only_bad('0000:05:00.0')
            self.assertIn(name, self.gpus['0000:05:00.0'].refusal)
            self.rewrite('0000:05:00.0', name, good)

    def test_number_without_end_is_nonsense(self):
        for name, text in (
            ('numa_node', '9' * 5000),
            ('numa_node', '-' + '1' * 20),
            ('vendor', '0x' + '0' * 5000 + '1'),
            ('resource', f'0x{"f" * 5000} 0x1 0x1'),
            ('resource', '0x2 0x1 0x1'),
        ):
            path = self.device('0000:05:00.0') / name
            good = path.read_text()
            self.rewrite('0000:05:00.0', name, f'{text}\n')
            self.survey()
            self.assert_only_bad('0000:05:00.0')
            self.rewrite('0000:05:00.0', name, good)

    def test_link_that_leads_elsewhere_is_nonsense(self):
        for name, target in (
            ('iommu_group', '../../../etc'),
            ('iommu_group', '../../kernel/iommu_groups/-1'),
        ):
            path = self.device('0000:05:00.0') / name
            good = path.readlink()
            path.unlink()
            path.symlink_to(target)
            self.survey()
            self.assert_only_bad('0000:05:00.0')
            path.unlink()
            path.symlink_to(good)

    def test_attribute_that_is_not_there(self):
        (self.device('0000:06:00.0') / 'vendor').unlink()
        self.survey()
        self.assert_only_bad('0000:06:00.0')

    def test_companion_that_cannot_be_read(self):
        (self.device('0000:01:00.1') / 'resource').unlink()
        self.survey()
        self.assert_only_bad('0000:01:00.0')

    def test_mdev_type_that_is_nonsense(self):
        path = 'mdev_supported_types/simvgpu-2q/available_instances'
        self.rewrite('0000:04:00.0', path, 'many\n')
        self.survey()
        self.assert_only_bad('0000:04:00.0')
        self.assertIn('available_instances', self.gpus['0000:04:00.0'].refusal)

    def test_bytes_that_are_no_text(self):
        path = self.device('0000:05:00.0') / 'vendor'
        path.chmod(0o644)
        path.write_bytes(b'\xff\xff\xff\xff')
        self.survey()
        self.assert_only_bad('0000:05:00.0')


class PassthroughRefusalTest(CaptureTestCase):
    def test_companion_of_another_group_goes_along(self):
        link = self.device('0000:01:00.1') / 'iommu_group'
        link.unlink()
        link.symlink_to('../../../../kernel/iommu_groups/99')
        member = 'sys/kernel/iommu_groups/13/devices/0000:01:00.1'
        (self.root / member).unlink()
        self.survey()
        gpu = self.gpus['0000:01:00.0']
        self.assertEqual(
            ['0000:01:00.1'], [str(f.address) for f in gpu.companions]
        )
        self.assertTrue(gpu.can_go_whole)

    def test_nvswitch_in_the_group_is_no_bridge(self):
        link = self.root / 'sys/kernel/iommu_groups/17/devices/0000:00:17.0'
        link.symlink_to('../../../../devices/0000:00:17.0')
        self.rewrite('0000:00:17.0', 'class', '0x068000\n')
        driver = self.device('0000:00:17.0') / 'driver'
        driver.unlink()
        driver.symlink_to('../../../bus/pci/drivers/nvidia-nvswitch')
        self.survey()
        self.assertIn('0000:00:17.0', self.gpus['0000:05:00.0'].whole_refusal)

    def test_kernel_without_numa(self):
        (self.device('0000:05:00.0') / 'numa_node').unlink()
        self.survey()
        self.assertIsNone(self.gpus['0000:05:00.0'].refusal)

    def test_card_without_an_iommu_group(self):
        (self.device('0000:05:00.0') / 'iommu_group').unlink()
        self.survey()
        self.assertIn('no IOMMU', self.gpus['0000:05:00.0'].whole_refusal)

    def test_group_that_takes_a_foreign_device_along(self):
        link = self.root / 'sys/kernel/iommu_groups/17/devices/0000:02:00.0'
        link.symlink_to('../../../../devices/0000:02:00.0')
        self.survey()
        self.assertEqual(
            'its IOMMU group would take along 0000:02:00.0 (8086 10c9, '
            "which igb has): use another slot, or the firmware's setting for "
            'ACS',
            self.gpus['0000:05:00.0'].whole_refusal,
        )

    def test_bridge_in_the_group_stays_behind(self):
        link = self.root / 'sys/kernel/iommu_groups/17/devices/0000:00:17.0'
        link.symlink_to('../../../../devices/0000:00:17.0')
        self.survey()
        self.assertIsNone(self.gpus['0000:05:00.0'].whole_refusal)

    def test_display_chip_of_a_bmc(self):
        for vendor, name in (('0x1a03', 'ASPEED'), ('0x102b', 'Matrox')):
            self.rewrite('0000:05:00.0', 'vendor', vendor + '\n')
            self.survey()
            self.assertIn(name, self.gpus['0000:05:00.0'].withheld)
            self.assertFalse(self.gpus['0000:05:00.0'].offered)


class OtherHostsTest(CaptureTestCase):
    def test_other_pci_domain(self):
        devices = self.root / 'sys/bus/pci/devices'
        device = self.device('0000:05:00.0')
        other = device.with_name('10001:05:00.0')
        shutil.copytree(device, other, symlinks=True)
        (devices / '10001:05:00.0').symlink_to(other)
        self.survey()
        self.assertIn('10001:05:00.0', self.gpus)

    def test_host_without_pci(self):
        shutil.rmtree(self.root / 'sys')
        host = discovery.discover(sysfs.Sysfs(self.root), pciids.PciIds([]))
        self.assertEqual((), host.gpus)
        self.assertFalse(host.has_iommu)

    def test_order_is_that_of_the_addresses(self):
        self.survey()
        addresses = [gpu.address for gpu in self.gpus.values() if gpu.function]
        self.assertEqual(sorted(addresses), addresses)
