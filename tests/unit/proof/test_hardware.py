"""What a guest's life leaves behind is seen."""

import pathlib
import uuid

import fixtures
import testtools

from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.proof import hardware
from nova_gpuvirt.simulation import hosts

_CARD = '/sys/bus/pci/devices/0000:3b:00.0'


class HardwareTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('t4', root)
        self.sysfs = sysfs.Sysfs(root)
        found = discovery.discover(self.sysfs, pciids.PciIds([root]))
        self.gpu = next(g for g in found.gpus if g.address.bus == 0x3B)
        self.before = hardware.look(self.sysfs, self.gpu)

    def changes(self):
        """What changed since the start."""
        after = hardware.look(self.sysfs, self.gpu)
        return hardware.changes(self.before, after)

    def test_nothing(self):
        self.assertEqual((), self.changes())

    def test_driver_and_its_override(self):
        self.host.write(f'{_CARD}/driver_override', 'vfio-pci')
        self.host.write(f'{_CARD}/driver/unbind', '0000:3b:00.0')
        self.assertEqual(
            (
                '0000:3b:00.0 driver is none, and was nvidia',
                '0000:3b:00.0 driver_override is vfio-pci, and was (null)',
            ),
            self.changes(),
        )

    def test_vgpu(self):
        mdev = str(uuid.uuid4())
        self.host.write(
            f'{_CARD}/mdev_supported_types/nvidia-231/create', mdev
        )
        self.assertEqual(
            (
                f'0000:3b:00.0 mdev {mdev} is nvidia-vgpu-vfio, and was not '
                'there',
            ),
            self.changes(),
        )
