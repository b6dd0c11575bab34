"""What a guest's configuration depends on is read of its host."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import guest
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs


class HostTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def host(self):
        return guest.Host.of(
            machine.Machine(
                sysfs.Sysfs(self.root),
                pciids.PciIds([self.root]),
                hypervisor.Absent(),
            )
        )

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True)
        file.write_text(text)

    def test_widths_and_version(self):
        self.write(
            'proc/cpuinfo',
            'address sizes\t: 46 bits physical, 48 bits virtual\n',
        )
        self.write('sys/class/iommu/dmar0/intel-iommu/cap', 'd2008c40660462\n')
        self.assertEqual(guest.Host(46, 39, 10_000_000), self.host())

    def test_widths_that_the_host_does_not_tell(self):
        self.assertEqual(guest.Host(None, None, 10_000_000), self.host())
