"""64 requests at once on one host: none is lost, and nothing had twice.

`tools/soak.py` asks for more rounds and more servers, by the environment:
``NOVA_GPUVIRT_ROUNDS`` and ``NOVA_GPUVIRT_MASS``. No lock that requests wait
for is held while libvirt, a command or root is asked.
"""

import collections
import functools
import os

import fixtures
from nova import context as nova_context
from nova import objects

from benchmarks import hosts
from nova_gpuvirt import handover
from nova_gpuvirt.compute import ending
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation.hosts import flex
from tests.functional import base
from tests.functional import crowd
from tests.functional import held_locks

_ROUNDS = int(os.environ.get('NOVA_GPUVIRT_ROUNDS', '1'))
_MASS = int(os.environ.get('NOVA_GPUVIRT_MASS', '8'))
_GONE = '455d900f-4e14-4e4c-a73d-069cbf4541e6'
_VGPU = {'resources:CUSTOM_VGPU_NVIDIA_T4_1Q': '1'}
_VFS = 48
_AT_ONCE = 64
# Of them: servers that go, those of one request for several, and those that
# are deleted while they are built.
_LEAVING = 24
_TOGETHER = 4
_REGRETTED = 4


class LoadTest(crowd.CrowdTestCase):
    def setUp(self):
        super().setUp()
        self.locks = self.useFixture(held_locks.HeldLocks())
        self.host = self.start_described('host1', flex.with_140s(4))
        self.vf = self.flavor(base.VGPU)

    def test_boots_and_deletes_at_once(self):
        before = self.host.snapshot()
        self.at_once([self.boot_one] * _LEAVING)
        servers = self.without_refused(self.settled(), _LEAVING)
        for _ in range(_ROUNDS):
            self.assert_each_has_one(servers)
            servers = self.one_round(servers)
        self.assert_each_has_one(servers)
        self.at_once([*map(self.leave, servers)])
        self.assert_each_has_one(self.settled(gone=servers))
        self.assertEqual(before, self.host.snapshot())
        self.assertEqual({}, self.locks.wrong())

    def one_round(self, servers):
        """Let some go and others come at once; return who is there then.

        Some find no room, since who goes is there for a while.
        """
        room = _VFS - len(servers)
        leaving = [*servers][:_LEAVING]
        requests = [
            *map(self.leave, leaving),
            *[self.boot_and_regret] * _REGRETTED,
            functools.partial(self.ask, self.vf, _TOGETHER),
        ]
        more = _AT_ONCE - len(requests)
        answers = self.at_once([*requests, *[self.boot_one] * more])
        regretted = answers[len(leaving) :][:_REGRETTED]
        there = self.settled(gone=[*leaving, *regretted])
        self.assertEqual(
            len(servers) - len(leaving) + more + _TOGETHER, len(there)
        )
        new = there.keys() - servers.keys()
        return self.without_refused(there, min(room, len(new)))

    def without_refused(self, there, room):
        """Delete those that were refused: few of those that had room.

        Two that are scheduled at once may choose the same last VF of a card,
        and Nova tries no other one of the host.
        """
        refused = self.refused(there)
        self.assertLessEqual(room * 3 / 4, len(there) - len(refused))
        self.at_once([*map(self.leave, refused)])
        return self.settled(gone=refused)

    def boot_one(self):
        return self.ask(self.vf)

    def boot_and_regret(self):
        server = self.ask(self.vf)
        self.api.delete_server(server)
        return server

    def leave(self, server):
        return functools.partial(self.api.delete_server, server)

    def assert_each_has_one(self, servers):
        """Each has a VF of its own, and all others are free."""
        self.assert_agreed()
        slots = collections.Counter(map(self.slot, servers.values()))
        self.assertEqual(set(), {s for s, n in slots.items() if n > 1})
        free = sum(self.totals('host1', 'VGPU').values())
        self.assertEqual(_VFS, free + len(servers))


class MassTest(crowd.CrowdTestCase):
    """Many that have a vGPU each, and are deleted at once."""

    def test_all_are_gone_and_all_is_free(self):
        locks = self.useFixture(held_locks.HeldLocks())
        self.flags(default_profile=['nvidia-t4-1q'], group='gpuvirt')
        host = self.start_described('host1', hosts.mdevs())
        before = host.snapshot()
        flavor = self.flavor(_VGPU)
        servers = {}
        while len(servers) < _MASS:
            more = min(_AT_ONCE, _MASS - len(servers))
            self.at_once([functools.partial(self.ask, flavor)] * more)
            servers = self.settled()
            self.assertEqual(set(), self.refused(servers))
        self.assert_agreed()
        self.at_once(
            [functools.partial(self.api.delete_server, s) for s in servers]
        )
        self.assertEqual({}, self.settled(gone=servers))
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())
        self.assertIn('libvirt nodeDeviceCreateXML', locks.calls)
        self.assertEqual({}, locks.wrong())


class WaitingTest(crowd.CrowdTestCase):
    """Builds that wait for what is dirty leave some to the others."""

    # As long as the test wants.
    reset_seconds = 600.0

    def setUp(self):
        self.useFixture(fixtures.MockPatchObject(handover, '_PATIENCE', 600.0))
        self.flags(max_concurrent_builds=4)
        super().setUp()
        self.locks = self.useFixture(held_locks.HeldLocks())
        self.host = self.start_gpu_host('host1', 't4')
        self.sick = []

    def spoil(self, driver, instance):
        """Let another have left dirty what this one claims; a reset hangs."""
        (claim,) = driver._ledger.claims(instance)
        dirty = record.Dirty(claim.identifier, _GONE, record.now())
        records.Records(self.state_path('host1')).change(
            claim.slot.device, lambda found: found.with_dirty(dirty)
        )
        driver._dirt.look()
        sick = sickness.Sickness(self.host, str(claim.slot.device))
        sick.reset_hangs()
        self.sick.append(sick)

    def test_half_of_them_wait_and_the_others_are_built_or_refused(self):
        attach = ending.Ending._attach

        def attach_or_wait(driver, instance):
            if len(self.sick) < 3:
                self.spoil(driver, instance)
            return attach(driver, instance)

        flavor = self.flavor(base.PGPU)
        with fixtures.MockPatchObject(
            ending.Ending, '_attach', attach_or_wait
        ):
            for states in (
                {'building': 1},
                {'building': 2},
                {'building': 2, 'error': 1},
                {'building': 2, 'error': 1, 'active': 1},
            ):
                self.ask(flavor)
                self.wait_until(lambda wanted=states: self.states() == wanted)
        for one in self.sick:
            one.heal()
        (refused,) = self.refused(self.settled())
        self.assertEqual({'active': 3, 'error': 1}, self.states())
        self.api.delete_server(refused)
        self.settled(gone=[refused])
        self.run_periodic()
        self.assert_agreed()
        self.assertIn('root hold_unbind_lock', self.locks.calls)
        self.assertEqual({}, self.locks.wrong())

    def states(self):
        """Count the servers that have come to a host, by their state."""
        return collections.Counter(
            instance.vm_state
            for instance in objects.InstanceList.get_by_filters(
                nova_context.get_admin_context(),
                {'deleted': False},
                expected_attrs=[],
            )
        )
