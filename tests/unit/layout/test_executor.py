"""Steps are taken on simulated hosts, and whatever fails, again."""

import dataclasses
import errno
import functools
import pathlib

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import planner
from nova_gpuvirt.layout import reading
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import users
from nova_gpuvirt.layout import wish as wish_
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated

_MIB = 1 << 20
# A host, a card of it, and what it shall be.
_CHANGES = (
    ('b60', '0000:17:00.0', {'vfs': 2, 'vf_memory': 2000 * _MIB}),
    ('flex170', '0000:4d:00.0', {'vfs': 4}),
    ('mi300x', '0000:05:00.0', {'memory_mode': 'NPS1', 'partition': 'CPX'}),
)


class Failing:
    """Root, of whose changes one fails.

    :ivar changes: the changes that were asked for, by name
    """

    def __init__(self, root, number=None, error=None):
        self._root = root
        self._number = number
        self._error = error or OSError(errno.EIO, 'Input/output error')
        self.changes = []

    def __getattr__(self, name):
        action = getattr(self._root, name)
        if not name.startswith(('set_', 'make_', 'remove_')):
            return action

        def change(*args):
            self.changes.append(name)
            if len(self.changes) == self._number:
                raise self._error
            action(*args)

        return change


class ExecutorTestCase(testtools.TestCase):
    def start(self, kind, card):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        self.host = simulated.SimulatedHost(hosts.HOSTS[kind](), root)
        power = root_.Root(self.host)
        self.root = Failing(power)
        self.machine = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            power.run,
        )
        self.card = model.PciAddress.parse(card)

    def state(self):
        return reading.read(self.machine, self.card)

    def apply(self, wish, number=None, error=None):
        self.root = Failing(root_.Root(self.host), number, error)
        doer = executor.Executor(
            self.root,
            functools.partial(reading.read, self.machine),
            functools.partial(users.of, self.machine),
        )
        return doer.apply(self.card, wish_.Wish(**wish))

    def assert_wished(self, wish):
        found = planner.plan(self.state(), wish_.Wish(**wish))
        self.assertTrue(found.is_nothing, found)


class ExecutorTest(ExecutorTestCase):
    def test_card_becomes_what_it_shall_be(self):
        for kind, card, wish in _CHANGES:
            self.start(kind, card)
            planned = planner.plan(self.state(), wish_.Wish(**wish)).steps
            self.assertNotEqual((), planned)
            outcome = self.apply(wish)
            self.assertTrue(outcome.is_as_wished, (kind, outcome))
            # A memory mode may bring the partition mode that is wanted.
            names = [
                step for step in map(str, planned) if step in outcome.done
            ]
            self.assertEqual(names, [*outcome.done])
            self.assertEqual(str(planned[0]), names[0])
            self.assert_wished(wish)
            self.assertEqual((), self.apply(wish).done)
            self.assertEqual([], self.root.changes)

    def test_step_that_fails_is_told_and_taken_again(self):
        for kind, card, wish in _CHANGES:
            self.start(kind, card)
            self.apply(wish)
            for number in range(1, 1 + len(self.root.changes)):
                self.start(kind, card)
                outcome = self.apply(wish, number)
                self.assertEqual(number - 1, len(outcome.done))
                self.assertIn('Input/output error', outcome.failed)
                self.assertIn(f'{card}: wanted to ', outcome.failed)
                self.assertTrue(self.apply(wish).is_as_wished)
                self.assert_wished(wish)

    def test_card_that_a_guest_has_is_not_touched(self):
        self.start('b60', '0000:17:00.0')
        before = self.host.snapshot()
        (vf, *_) = self.machine.sysfs.virtfns(self.card)
        self.host.write(
            f'/sys/bus/pci/devices/{vf}/driver_override', 'vfio-pci'
        )
        self.host.write('/sys/bus/pci/drivers_probe', str(vf))
        self.host.hold(str(vf))
        held = self.host.snapshot()
        self.assertNotEqual(before, held)
        outcome = self.apply({'vfs': 2})
        self.assertEqual([], self.root.changes)
        self.assertEqual(held, self.host.snapshot())
        self.assertIn(f'has {vf}', outcome.user)
        self.assertEqual(('remove its VFs', 'make 2 VFs'), outcome.waiting)
        self.assertFalse(outcome.is_as_wished)
        self.host.release_hold(str(vf))
        self.assertTrue(self.apply({'vfs': 2}).is_as_wished)

    def test_who_comes_between_two_steps_is_seen(self):
        self.start('b60', '0000:17:00.0')
        asked = []

        def used_by(address):
            asked.append(address)
            return 'somebody has it' if len(asked) == 3 else None

        doer = executor.Executor(
            self.root, functools.partial(reading.read, self.machine), used_by
        )
        wish = wish_.Wish(vfs=2, vf_memory=2000 * _MIB)
        outcome = doer.apply(self.card, wish)
        self.assertEqual(
            ('remove its VFs', 'give 2000 MiB to VF 1'), outcome.done
        )
        self.assertEqual(
            ('give 2000 MiB to VF 2', 'make 2 VFs'), outcome.waiting
        )

    def test_driver_that_says_nothing_and_does_nothing(self):
        self.start('mi300x', '0000:05:00.0')
        doer = executor.Executor(
            Silent(), functools.partial(reading.read, self.machine), _nobody
        )
        outcome = doer.apply(self.card, wish_.Wish(memory_mode='NPS1'))
        self.assertIn('memory_mode NPS4', outcome.failed)
        self.assertEqual((), outcome.done)

    def test_driver_that_undoes_the_step_before(self):
        """Two steps that end each other come to an end."""
        states = [
            dataclasses.replace(modes(), partition='SPX'),
            dataclasses.replace(modes(), memory_mode='NPS1'),
        ]
        looks = iter(states * 1000)
        doer = executor.Executor(Silent(), lambda _: next(looks), _nobody)
        outcome = doer.apply(
            model.PciAddress.parse('0000:05:00.0'),
            wish_.Wish(partition='SPX', memory_mode='NPS1'),
        )
        self.assertIsNotNone(outcome.failed)

    def test_card_that_a_guest_has_is_told_from_one_kept_from_its_driver(self):
        self.start('h100', '0000:1b:00.0')
        self.assertEqual('vfio-pci', self.state().driver)
        self.assertFalse(self.state().is_overridden)
        outcome = self.apply({'vfs': 'all'})
        self.assertIsNone(outcome.failed)
        self.assertIn('vfio-pci has the card', outcome.impossible[0])
        self.host.write(
            '/sys/bus/pci/devices/0000:1b:00.0/driver_override', 'vfio-pci'
        )
        self.assertTrue(self.state().is_overridden)

    def test_gpu_instances_that_can_not_be_end_no_others(self):
        self.start('h100-mig', '0000:41:00.0')
        before = self.host.snapshot()
        for instances in (('9g.999gb',), 8 * ('19',)):
            outcome = self.apply({'mig': True, 'gpu_instances': instances})
            self.assertEqual([], self.root.changes)
            self.assertIn('mig: wanted ', outcome.impossible[0])
        self.assertEqual(before, self.host.snapshot())

    def test_card_that_is_gone(self):
        self.start('b60', '0000:17:00.0')
        self.host.unplug('0000:17:00.0')
        outcome = self.apply({'vfs': 2})
        self.assertIn('0000:17:00.0: wanted', outcome.failed)

    def test_nobody_can_tell_who_has_it(self):
        self.start('b60', '0000:17:00.0')
        self.host.hide_processes()
        before = self.host.snapshot()
        outcome = self.apply({'vfs': 2})
        self.assertIsNotNone(outcome.failed)
        self.assertEqual(before, self.host.snapshot())


class Silent:
    """Root, whose changes have no effect."""

    def set_memory_mode(self, address, mode):
        pass

    def set_partition(self, address, mode):
        pass


def _nobody(address):
    return None


def modes():
    return state_.State(driver='gim', partition='CPX', memory_mode='NPS4')
