"""Cards are joined and parted with a check before and a look after."""

import dataclasses
import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import partitions
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation.commands import fabric_manager

# Places 1 and 3 of the board: partition 3.
_PAIR = [
    model.PciAddress.parse('0000:86:00.0'),
    model.PciAddress.parse('0000:88:00.0'),
]


class NoGuests:
    """A libvirt without guests."""

    def listAllDomains(self, flags):
        return []


class PartitionsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.start('hgx-h100')
        self.manager = self.host.description.services[fabric_manager.DAEMON]

    def start(self, name):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated(name, root)
        self.calls = []
        self.deaf = False
        self.unwilling = False
        power = root_.Root(self.host)

        def run(argv):
            self.calls.append(' '.join(argv))
            if self.deaf and argv[1] in ('-a', '-d'):
                return ''
            if self.unwilling and argv[1] in ('-a', '-d'):
                raise commands.CommandFailed('fmReturn: -2')
            return power.run(argv)

        self.machine = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Hypervisor(NoGuests),
            run,
        )
        self.partitions = partitions.Partitions(self.machine)

    def gpus(self):
        return discovery.discover(self.machine.sysfs, self.machine.names).gpus

    def test_command_that_hangs_is_waited_for_once(self):
        self.host.hang('nvidia-smi')
        gpus = self.gpus()
        self.partitions.refresh(gpus)
        why = [*self.partitions.view(gpus).untold.values()]
        self.assertEqual(1, sum('timed out' in reason for reason in why))
        self.assertEqual(7, sum('does not end' in reason for reason in why))

    def give_to_vfio(self, address):
        """Take a card from its driver, and let a process hold it."""
        card = str(address)
        place = f'/sys/bus/pci/devices/{card}'
        self.host.write(f'{place}/driver_override', 'vfio-pci\n')
        self.host.write(f'{place}/driver/unbind', f'{card}\n')
        self.host.write('/sys/bus/pci/drivers_probe', f'{card}\n')
        self.host.hold(card)

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
        self.give_to_vfio(_PAIR[1])
        error = self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        self.assertRegex(str(error), r'that process \d+ has it')
        self.assertEqual({3}, self.manager.active)
        self.assertNotIn('fmpm -d 3', self.calls)

    def test_nothing_is_parted_while_nobody_knows_who_has_a_card(self):
        self.partitions.prepare(_PAIR, 'guest')
        self.useFixture(
            fixtures.MockPatchObject(
                machine.Machine, 'opener', side_effect=PermissionError('blind')
            )
        )
        error = self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        self.assertIn('no answer who has it: blind', str(error))
        self.assertNotIn('fmpm -d 3', self.calls)

    def test_cards_of_an_ended_guest_are_parted_where_processes_are_hidden(
        self,
    ):
        self.partitions.prepare(_PAIR, 'guest')
        self.give_to_vfio(_PAIR[1])
        self.host.hide_processes()
        self.partitions.release(_PAIR)
        self.assertEqual(set(), self.manager.active)

    def test_nothing_is_joined_over_what_shares_its_cards(self):
        root_.Root(self.host).run(('fmpm', '-a', '1'))
        error = self.assertRaises(
            exception.PrepareFailed, self.partitions.prepare, _PAIR, 'guest'
        )
        self.assertIn('partition 1 active, which shares cards', str(error))
        self.assertNotIn('fmpm -a 3', self.calls)

    def test_one_card_goes_alone_where_nobody_answers(self):
        self.host.end(fabric_manager.DAEMON)
        self.assertFalse(self.partitions.prepare(_PAIR[:1], 'guest'))
        self.assertRaises(
            exception.PrepareFailed, self.partitions.prepare, _PAIR, 'guest'
        )

    def test_release_is_silent_where_nobody_ever_answered(self):
        self.host.end(fabric_manager.DAEMON)
        self.partitions.release(_PAIR)

    def test_release_that_gets_no_answer_any_more_is_told(self):
        self.partitions.prepare(_PAIR, 'guest')
        self.host.end(fabric_manager.DAEMON)
        self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        # An update that got none either does not make it a host without.
        self.partitions.refresh(())
        self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )

    def test_refused_orders_are_told(self):
        self.unwilling = True
        error = self.assertRaises(
            exception.PrepareFailed, self.partitions.prepare, _PAIR, 'guest'
        )
        self.assertIn('fmReturn: -2', str(error))
        self.unwilling = False
        self.partitions.prepare(_PAIR, 'guest')
        self.unwilling = True
        error = self.assertRaises(
            exception.ReleaseFailed, self.partitions.release, _PAIR
        )
        self.assertIn('fmReturn: -2', str(error))

    def test_release_of_cards_without_a_partition_is_silent(self):
        self.partitions.prepare(_PAIR, 'guest')
        odd = [_PAIR[0], model.PciAddress.parse('0000:b8:00.0')]
        self.partitions.release(odd)
        self.assertEqual({3}, self.manager.active)

    def test_host_without_switches_is_never_asked(self):
        self.start('l40s')
        cards = [gpu.address for gpu in self.gpus()]
        self.partitions.refresh(self.gpus())
        self.assertIsNone(self.partitions.view(self.gpus()))
        self.assertFalse(self.partitions.prepare(cards, 'guest'))
        self.partitions.release(cards)
        self.assertEqual([], self.calls)

    def test_view_says_what_is_joined(self):
        self.assertIn(
            'was not asked yet', self.partitions.view(self.gpus()).refusal
        )
        self.partitions.refresh(self.gpus())
        view = self.partitions.view(self.gpus())
        self.assertIsNone(view.refusal)
        self.assertIn(frozenset(_PAIR), view.cards)
        self.assertEqual(frozenset(), view.active)
        self.partitions.prepare(_PAIR, 'guest')
        view = self.partitions.view(self.gpus())
        self.assertEqual({frozenset(_PAIR)}, {*view.active})

    def test_view_without_an_answer_says_why(self):
        self.partitions.refresh(self.gpus())
        self.host.end(fabric_manager.DAEMON)
        self.partitions.refresh(self.gpus())
        self.assertIn(
            'Failed to connect', self.partitions.view(self.gpus()).refusal
        )

    def leftovers(self, gpus, *claimed):
        return [x.slot for x in self.partitions.leftovers(gpus, claimed)]

    def test_leftovers_are_what_nobody_claims_or_holds(self):
        self.partitions.refresh(self.gpus())
        self.partitions.prepare(_PAIR, 'guest')
        pair = model.Slot(model.SET, model.CardSet.of(_PAIR))
        gpus = self.gpus()
        self.assertEqual([pair], self.leftovers(gpus))
        self.assertEqual([], self.leftovers(gpus, pair))
        # Of cards that guests don't get, it is the operator's own.
        some = [
            dataclasses.replace(gpu, offered=False, in_sets=False)
            if gpu.address == _PAIR[0]
            else gpu
            for gpu in gpus
        ]
        self.assertEqual([], self.leftovers(some))
        self.give_to_vfio(_PAIR[1])
        self.assertEqual([], self.leftovers(gpus))
        self.host.hide_processes()
        error = self.assertRaises(
            exception.ReleaseFailed, self.leftovers, gpus
        )
        self.assertIn('pid_mode: host', str(error))

    def test_simulated_fabric_manager_refuses_as_the_real_one(self):
        run = root_.Root(self.host).run
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
