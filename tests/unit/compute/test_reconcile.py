"""Leftovers are found and discarded while nobody else changes the GPUs."""

import contextlib
import types

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt.compute import driver


class ReconcileTest(testtools.TestCase):
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
