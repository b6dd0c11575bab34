"""Leftovers are found and discarded while nobody else changes the GPUs."""

import contextlib
import types

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.compute import driver


class ReconcileTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = []
        self.host = types.SimpleNamespace(
            _ledger=types.SimpleNamespace(
                ready=True,
                last_slots=(),
                slots_in_database=lambda: (
                    self.log.append('database') or frozenset()
                ),
            ),
            _dirt=types.SimpleNamespace(all_slots=frozenset),
            _handover=types.SimpleNamespace(
                undisturbed=self.undisturbed,
                leftovers=lambda claimed: self.log.append('look') or ['x'],
                discard=lambda found: self.log.append('discard'),
            ),
        )
        self.host._discard_leftovers = types.MethodType(
            driver.GpuLibvirtDriver._discard_leftovers, self.host
        )

    @contextlib.contextmanager
    def undisturbed(self):
        self.log.append('locked')
        yield
        self.log.append('unlocked')


class ReconcileTest(ReconcileTestCase):
    def test_what_is_claimed_is_read_after_the_wait_for_the_lock(self):
        driver.GpuLibvirtDriver._reconcile(self.host)
        self.assertEqual(
            ['locked', 'look', 'database', 'discard', 'unlocked'], self.log
        )

    def test_what_another_program_has_made_is_not_looked_at(self):
        said = self.useFixture(fixtures.FakeLogger())
        refusal = exception.Locked('host1', wanted='w', found='f', remedy='r')

        def undisturbed():
            raise refusal

        self.host._handover.undisturbed = undisturbed
        driver.GpuLibvirtDriver._reconcile(self.host)
        self.assertEqual([], self.log)
        self.assertIn(str(refusal), said.output)
        self.assertNotIn('Traceback', said.output)

    def test_nothing_is_looked_at_before_the_first_update(self):
        self.host._ledger.ready = False
        driver.GpuLibvirtDriver._reconcile(self.host)
        self.assertEqual([], self.log)


class KeptTest(ReconcileTestCase):
    """What is claimed by now, or dirty, is no leftover."""

    def setUp(self):
        super().setUp()
        self.slots = [
            model.Slot.parse(f'vendor-vfio:0000:41:00.{n}@l40s-2q')
            for n in (4, 5, 6)
        ]
        found = [base.Leftover(str(s.device), s) for s in self.slots]
        self.discarded = []
        self.host._handover.leftovers = lambda claimed: found
        self.host._handover.discard = self.discarded.extend

    def kept(self):
        driver.GpuLibvirtDriver._reconcile(self.host)
        gone = {leftover.slot for leftover in self.discarded}
        return [slot for slot in self.slots if slot not in gone]

    def test_what_nobody_has(self):
        self.assertEqual([], self.kept())

    def test_what_was_claimed_since_the_last_update(self):
        self.host._ledger.slots_in_database = lambda: frozenset(self.slots[:1])
        self.assertEqual(self.slots[:1], self.kept())

    def test_what_is_dirty(self):
        self.host._dirt.all_slots = lambda: frozenset(self.slots[1:])
        self.assertEqual(self.slots[1:], self.kept())
