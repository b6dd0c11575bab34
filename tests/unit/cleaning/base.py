"""What the tests of cleaning have in common: a host, and its libvirt."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cleaning import cleaner
from nova_gpuvirt.cleaning import hook
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import records
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_

T4 = '0000:3b:00.0'
WHOLE = f'passthrough:{T4}'
INSTANCE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
_PCI = '/sys/bus/pci'


class Libvirt(hypervisor.Absent):
    """A libvirt that moves functions as it does, and has no guests.

    :ivar moved: which it has moved to vfio-pci
    """

    answers = True
    guest = None

    def __init__(self, host):
        super().__init__()
        self._host = host
        self.moved = []

    def guest_with(self, device):
        return self.guest

    def detach(self, function):
        self.moved.append(str(function))
        self._bind(function, 'vfio-pci')

    def reattach(self, function):
        self._bind(function, '')

    def _bind(self, function, override):
        device = f'{_PCI}/devices/{function}'
        self._host.write(f'{device}/driver_override', f'{override}\n')
        if (self._host.root / device[1:] / 'driver').exists():
            self._host.write(f'{device}/driver/unbind', str(function))
        self._host.write(f'{_PCI}/drivers_probe', str(function))


class TestCase(testtools.TestCase):
    """A test of one simulated host, `self.host`."""

    def start(self, kind, *, bare=False, **options):
        """Start a host, with options of the machine.

        :param bare: whether nothing prepares its cards
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.host = hosts.simulated(kind, folder / 'root', bare=bare)
        root = self.host.root
        self.libvirt = Libvirt(self.host)
        self.sysfs = sysfs.Sysfs(root, root_.Root(self.host, 1.0))
        self.machine = machine.Machine(
            self.sysfs, pciids.PciIds([root]), self.libvirt, **options
        )
        (folder / 'state').mkdir()
        self.records = records.Records(folder / 'state')
        self.dirt = dirt.Dirt(self.records, sysfs=self.sysfs)
        self.gpus = gpus.Gpus(
            self.machine, operator_filter.OperatorFilter(), dirt=self.dirt
        )
        self.handover = handover.Handover(self.gpus, dirt=self.dirt)

    def attach(self, identifier):
        """Give a slot to an instance, and say what is dirty then."""
        self.gpus.survey(refresh=True)
        self.handover.attach(INSTANCE, [model.Claim('', identifier)])
        ((card, dirty),) = self.dirt.entries()
        return card, dirty

    def driver(self, address):
        return self.sysfs.link(model.PciAddress.parse(address), 'driver')

    def guest(self, *addresses):
        """Let a guest have functions, and end."""
        for address in addresses:
            function = model.PciAddress.parse(address)
            self.libvirt.detach(function)
            self.host.hold(address)
        for address in addresses:
            self.host.release_hold(address)
            self.libvirt.reattach(model.PciAddress.parse(address))
        self.libvirt.moved.clear()


class CleanerTestCase(TestCase):
    """A test of a cleaner, on a host of its own."""

    def cleaner(self, way=ways.Way.RESET, program=None):
        how = ways.Ways(dict.fromkeys(ways.KINDS, way))
        return cleaner.Cleaner(
            self.machine,
            self.gpus,
            self.handover,
            self.dirt,
            how,
            program and hook.Hook(program, 10),
        )

    def clean(self, card, dirty, held=(), **options):
        self.cleaner(**options).clean(card, dirty, held)

    def waits(self, card, dirty, held=()):
        error = self.assertRaises(
            exception.ReleaseFailed, self.clean, card, dirty, held
        )
        return error.found

    def refused(self, card, dirty):
        error = self.assertRaises(
            exception.CleanFailed, self.clean, card, dirty
        )
        return error.found

    def have_a_whole_card(self):
        """Let a guest have had a T4 whole, which VFIO did not reset."""
        self.start('t4')
        self.card, self.dirty = self.attach(WHOLE)
        self.host.let_close_not_reset(T4)
        self.guest(T4)
