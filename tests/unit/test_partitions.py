"""Cards are joined and parted with a check before and a look after."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import commands
from nova_gpuvirt import exception
from nova_gpuvirt import hypervisor
from nova_gpuvirt import machine
from nova_gpuvirt import model
from nova_gpuvirt import partitions
from nova_gpuvirt import pciids
from nova_gpuvirt import sysfs
from nova_gpuvirt.testing import fabric_manager
from nova_gpuvirt.testing import hosts
from nova_gpuvirt.testing import powers

# Places 1 and 3 of the board: partition 3.
_PAIR = [
    model.PciAddress.parse('0000:86:00.0'),
    model.PciAddress.parse('0000:88:00.0'),
]


class NoGuests:
    """A libvirt without guests."""

    def listAllDomains(self, flags):  # noqa: N802
        return []


class PartitionsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('hgx-h100', root)
        self.manager = self.host.description.services[fabric_manager.DAEMON]
        self.calls = []
        self.deaf = False
        power = powers.Powers(self.host)

        def run(argv):
            self.calls.append(' '.join(argv))
            if self.deaf and argv[1] in ('-a', '-d'):
                return ''
            return power.run(argv)

        self.partitions = partitions.Partitions(
            machine.Machine(
                sysfs.Sysfs(root, power),
                pciids.PciIds([root]),
                hypervisor.Hypervisor(NoGuests),
                run,
            )
        )

    def test_partition_is_the_one_of_just_these_cards(self):
        self.assertTrue(self.partitions.prepare(_PAIR, 'guest'))
        self.assertEqual({3}, self.manager.active)
        self.partitions.release(_PAIR)
        self.assertEqual(set(), self.manager.active)

    def test_both_are_silent_when_there_is_nothing_to_do(self):
        self.partitions.release(_PAIR)
        self.partitions.prepare(_PAIR, 'guest')
        self.assertFalse(self.partitions.prepare(_PAIR, 'guest'))
        self.assertEqual(1, self.calls.count('fmpm -a 3'))
        self.assertNotIn('fmpm -d 3', self.calls)

    def test_cards_without_a_partition_are_refused(self):
        odd = [_PAIR[0], model.PciAddress.parse('0000:b8:00.0')]
        error = self.assertRaises(
            exception.PrepareFailed, self.partitions.prepare, odd, 'guest'
        )
        self.assertIn('no partition of just these cards', str(error))

    def test_partition_that_stays_inactive_is_refused(self):
        self.deaf = True
        error = self.assertRaises(
            exception.PrepareFailed, self.partitions.prepare, _PAIR, 'guest'
        )
        self.assertIn(
            'partition 3 inactive after it was activated', str(error)
        )

    def test_partition_that_stays_active_is_told(self):
        self.partitions.prepare(_PAIR, 'guest')
        self.deaf = True
        error = self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        self.assertIn('it active after it was told', str(error))

    def test_nothing_is_parted_while_a_guest_has_a_card(self):
        self.partitions.prepare(_PAIR, 'guest')
        card = str(_PAIR[1])
        place = f'/sys/bus/pci/devices/{card}'
        self.host.write(f'{place}/driver_override', 'vfio-pci\n')
        self.host.write(f'{place}/driver/unbind', f'{card}\n')
        self.host.write('/sys/bus/pci/drivers_probe', f'{card}\n')
        self.host.hold(card)
        error = self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        self.assertRegex(str(error), r'that process \d+ has it')
        self.assertEqual({3}, self.manager.active)

    def test_simulated_fabric_manager_refuses_as_the_real_one(self):
        run = powers.Powers(self.host).run
        run(('fmpm', '-a', '1'))
        for argv, number in (
            (('-a', '1'), -7),
            (('-a', '3'), -7),
            (('-d', '3'), -4),
            (('-a', '15'), -1),
        ):
            error = self.assertRaises(
                commands.CommandFailed, run, ('fmpm', *argv)
            )
            self.assertIn(f'fmReturn: {number}', str(error))
        run(('fmpm', '-a', '2'))
        self.host.end(fabric_manager.DAEMON)
        error = self.assertRaises(commands.CommandFailed, run, ('fmpm', '-l'))
        self.assertIn('Failed to connect', str(error))

    def test_reboot_of_the_host_parts_all(self):
        self.partitions.prepare(_PAIR, 'guest')
        self.host.reboot()
        self.assertEqual(set(), self.manager.active)
