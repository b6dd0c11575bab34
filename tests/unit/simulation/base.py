"""What the tests of simulated hosts share."""

import pathlib
import threading

import fixtures
import testtools

from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated

PCI = '/sys/bus/pci'
MDEVS = '/sys/bus/mdev/devices'
UUID_1 = '5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0001'
UUID_2 = '5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0002'
UUID_3 = '5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0003'


class TestCase(testtools.TestCase):
    """A test of one simulated host, `self.host`."""

    def start(self, name):
        """Start the host of that name."""
        self.host = hosts.simulated(name, self.root())

    def start_described(self, host):
        """Start a host from a description."""
        self.host = simulated.SimulatedHost(host, self.root())

    def root(self):
        """Give a new empty folder."""
        folder = fixtures.TempDir()
        return pathlib.Path(self.useFixture(folder).path)

    def path(self, path):
        """Give the place of a file of the host."""
        return pathlib.Path(f'{self.host.root}{path}')

    def device(self, address, name=''):
        """Give the host's path of a function, or of a file of it."""
        return f'{PCI}/devices/{address}/{name}'.rstrip('/')

    def read(self, path):
        """Read a file of the host."""
        return self.path(path).read_text()

    def names(self, path):
        """List a directory of the host."""
        return sorted(p.name for p in self.path(path).iterdir())

    def driver(self, address):
        """Name the driver of a function."""
        link = self.path(self.device(address, 'driver'))
        return link.readlink().name if link.is_symlink() else None

    def create(self, address, type_id, uuid):
        """Create an mdev."""
        types = f'mdev_supported_types/{type_id}'
        self.host.write(self.device(address, f'{types}/create'), uuid)

    def remove(self, uuid):
        """Remove an mdev."""
        self.host.write(f'{MDEVS}/{uuid}/remove', '1')

    def available(self, address):
        """Read what can still be created, by type id."""
        types = self.device(address, 'mdev_supported_types')
        return {
            name: int(self.read(f'{types}/{name}/available_instances'))
            for name in self.names(types)
        }

    def assert_waits(self, until, function, *args):
        """Check that the kernel waits, with nothing changed, until this."""
        before = self.host.snapshot()
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        thread.join(0.1)
        self.assertTrue(thread.is_alive())
        self.assertEqual(before, self.host.snapshot())
        until()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def assert_refused(self, number, function, *args):
        """Check that the kernel refuses a call, and that nothing changes."""
        before = self.host.snapshot()
        error = self.assertRaises(OSError, function, *args)
        self.assertEqual(number, error.errno, error)
        self.assertEqual(before, self.host.snapshot())
