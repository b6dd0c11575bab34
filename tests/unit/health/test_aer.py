"""Errors are counted of a function, and of the port above it."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.health import aer
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import sickness

_T4 = model.PciAddress.parse('0000:3b:00.0')
_FATAL = aer.Counter('it', is_fatal=True)
_NONFATAL = aer.Counter('it', is_fatal=False)


class AerTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('t4', root)
        self.sysfs = sysfs.Sysfs(root, root_.Root(self.host, 1.0))
        self.above = self.sysfs.above(_T4)
        self.port = self.above[-1]
        self.sick = sickness.Sickness(self.host, str(_T4))

    def read(self, above=None):
        above = self.above if above is None else above
        return aer.read(self.sysfs, _T4, above)

    def test_counts_of_the_function(self):
        self.sick.count('nonfatal', 2)
        self.sick.count('fatal')
        found = self.read()
        self.assertEqual((1, 2), (found[_FATAL], found[_NONFATAL]))

    def test_counts_of_its_port(self):
        self.sick.count('nonfatal', 3, at=self.port)
        of_port = aer.Counter(f'its port {self.port}', is_fatal=False)
        found = self.read()
        self.assertEqual((0, 3), (found[_NONFATAL], found[of_port]))

    def test_without_the_way_to_it_its_own_alone(self):
        self.assertEqual({_FATAL, _NONFATAL}, self.read(()).keys())

    def test_root_bus_counts_nothing(self):
        self.assertEqual({_FATAL, _NONFATAL}, self.read(['pci0000:3a']).keys())

    def test_file_that_makes_no_sense_is_left_out(self):
        self.host.break_file(str(_T4), 'aer_dev_fatal', 'nonsense\n')
        self.assertEqual({_NONFATAL}, self.read(()).keys())

    def test_function_that_is_not_there_has_counted_nothing(self):
        self.host.unplug(str(_T4))
        self.assertEqual({}, self.read(()))
