"""A simulated function looks as one of a real kernel does."""

import re
import stat

from tests.unit import captures
from tests.unit.simulation import base

# What drivers of the capture made that no simulated driver makes.
_OF_DRIVERS = {
    'block',
    'graphics',
    'mdev_supported_types',
    'net',
    'ptp',
    'sound',
    'vendor',
}
_OF_LINK = {
    'current_link_speed',
    'current_link_width',
    'max_link_speed',
    'max_link_width',
}
_OF_AER = {'aer_dev_correctable', 'aer_dev_fatal', 'aer_dev_nonfatal'}
_OF_SRIOV = {
    'sriov_drivers_autoprobe',
    'sriov_numvfs',
    'sriov_offset',
    'sriov_stride',
    'sriov_totalvfs',
    'sriov_vf_device',
    'sriov_vf_total_msix',
}
# Captures leave out what is binary, and what acts when it is written to.
_LEFT_OUT = {'config', 'reset'}
_NUMBERED = re.compile(r'virtfn\d+|[0-9a-f]{8}-.*|0000:.*\.\d$')


class ShapeTest(base.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        capture = captures.Capture('virtual-host')
        capture.setUp()
        cls.addClassCleanup(capture.cleanUp)
        cls.real = capture.root / 'sys'

    def shape(self, place):
        """Tell of each entry what it is, and its mode."""
        return {
            re.sub('^0000:.*:pcie', 'pcie', p.name): (
                'link' if p.is_symlink() else stat.filemode(p.lstat().st_mode)
            )
            for p in place.iterdir()
            if not _NUMBERED.fullmatch(p.name)
            and p.name not in _OF_DRIVERS | _LEFT_OUT
        }

    def assert_same_shape(self, real, address, more=frozenset()):
        """Compare with a function of the capture.

        :param more: what the simulated one has and the real one has not
        """
        ours = self.shape(self.path(self.device(address)))
        theirs = self.shape(self.real / 'bus/pci/devices' / real)
        self.assertEqual(more, ours.keys() - theirs.keys())
        for name in more:
            del ours[name]
        self.assertEqual(theirs, ours)

    def test_a_display_function(self):
        self.start('workstation')
        self.assert_same_shape(
            '0000:01:00.0', '0000:01:00.0', _OF_AER | {'boot_vga'}
        )

    def test_a_boot_vga(self):
        self.start('t4')
        self.assert_same_shape('0000:00:07.0', '0000:03:00.0')

    def test_an_audio_function(self):
        self.start('workstation')
        self.assert_same_shape(
            '0000:01:00.1', '0000:01:00.1', _OF_AER | _OF_LINK
        )

    def test_a_root_port(self):
        self.start('t4')
        self.assert_same_shape('0000:00:08.0', '0000:3a:00.0')

    def test_a_network_pf_and_a_vf(self):
        self.start('h100')
        self.assert_same_shape('0000:02:00.0', '0000:2a:00.0')
        self.assert_same_shape('0000:03:00.1', '0000:2a:00.1')

    def test_an_mdev_parent(self):
        self.start('t4')
        self.assert_same_shape(
            '0000:04:00.0', '0000:3b:00.0', _OF_AER | _OF_SRIOV
        )

    def test_a_function_on_vfio(self):
        self.start('h100')
        self.assert_same_shape(
            '0000:05:00.0', '0000:1b:00.0', _OF_AER | _OF_SRIOV
        )

    def test_a_function_without_driver(self):
        self.start('h100')
        self.assert_same_shape('0000:06:00.0', '0000:07:00.0', _OF_AER)

    def test_an_mdev_and_its_type(self):
        self.start('t4')
        self.create('0000:3b:00.0', 'nvidia-231', base.UUID_1)
        parent = self.real / 'bus/pci/devices/0000:04:00.0'
        ours = self.shape(self.path(f'{base.MDEVS}/{base.UUID_1}'))
        # The capture has no file that acts when written to by accident.
        self.assertEqual('--w-------', ours.pop('remove'))
        self.assertEqual(self.shape(parent / base.UUID_1), ours)
        types = self.path(self.device('0000:3b:00.0', 'mdev_supported_types'))
        self.assertEqual(
            self.shape(parent / 'mdev_supported_types/simvgpu-1q'),
            self.shape(types / 'nvidia-231'),
        )

    def test_a_driver_and_the_groups(self):
        self.start('t4')
        self.create('0000:3b:00.0', 'nvidia-231', base.UUID_1)
        self.assertEqual(
            self.shape(self.real / 'bus/pci/drivers/vfio-pci'),
            self.shape(self.path('/sys/bus/pci/drivers/vfio-pci')),
        )
        ours = self.path(f'{base.MDEVS}/{base.UUID_1}/iommu_group')
        theirs = self.real / 'kernel/iommu_groups'
        self.assertEqual(self.shape(theirs / '27'), self.shape(ours.resolve()))
        self.assertEqual(
            self.shape(theirs / '0'),
            self.shape(self.path('/sys/kernel/iommu_groups/0')),
        )

    def test_links_are_relative_as_the_kernels_are(self):
        self.start('t4')
        self.create('0000:3b:00.0', 'nvidia-231', base.UUID_1)
        real = self.real / 'bus/pci/devices/0000:04:00.0'
        ours = self.path(self.device('0000:3b:00.0'))
        for name in (
            'driver',
            'iommu',
            'iommu_group',
            'subsystem',
            f'{base.UUID_1}/driver',
            f'{base.UUID_1}/iommu_group',
            f'{base.UUID_1}/mdev_type',
            f'{base.UUID_1}/subsystem',
        ):
            self.assertEqual(
                (real / name).readlink().parent,
                (ours / name).readlink().parent,
                name,
            )

    def test_texts_end_as_the_kernels_do(self):
        self.start('t4')
        real = self.real / 'bus/pci/devices/0000:04:00.0'
        ours = self.path(self.device('0000:3b:00.0'))
        for name in (
            'boot_vga',
            'class',
            'current_link_width',
            'current_link_speed',
            'device',
            'modalias',
            'power_state',
            'subsystem_device',
            'subsystem_vendor',
            'vendor',
        ):
            if (real / name).exists():
                self.assertEqual(
                    (real / name).read_text(), (ours / name).read_text()
                )
        other = self.real / 'bus/pci/devices/0000:06:00.0/driver_override'
        self.assertEqual(
            other.read_text(), (ours / 'driver_override').read_text()
        )
        lines = (real / 'resource').read_text().splitlines()
        self.assertEqual(
            [len(line) for line in lines],
            [
                len(line)
                for line in (ours / 'resource').read_text().splitlines()
            ],
        )

    def test_a_bridge_has_lines_for_its_windows(self):
        self.start('t4')
        port = self.real / 'bus/pci/devices/0000:00:16.0/resource'
        ours = self.read(self.device('0000:3a:00.0', 'resource'))
        real = port.read_text()
        self.assertEqual(real.count('\n'), ours.count('\n'))
        flags = [
            [line.split()[2] for line in text.splitlines()]
            for text in (real, ours)
        ]
        self.assertEqual(flags[0][14:16], flags[1][14:16])
