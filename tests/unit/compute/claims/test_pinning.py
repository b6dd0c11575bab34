"""Guests that arrive at once change places, and one that was built never."""

import contextlib
import threading
import time
import types
from unittest import mock

import fixtures
import testtools
from nova import objects
from oslo_messaging import exceptions as messaging

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute.claims import pinning
from tests.unit import database
from tests.unit.numa import test_fit

_NEAR = {
    'a': model.PciAddress.parse('0000:3b:00.0'),
    'b': model.PciAddress.parse('0000:af:00.0'),
}


def _guest(node, cpus):
    """A guest that is fitted onto these CPUs of a node."""
    guest = test_fit.guest_of([len(cpus)])
    (cell,) = guest.cells
    cell.id = node
    cell.cpu_pinning = dict(enumerate(sorted(cpus)))
    return guest


class NumaClaimsCase(testtools.TestCase):
    """A host of two nodes, of which a guest fills one."""

    def setUp(self):
        super().setUp()
        self.database = self.useFixture(database.Database())
        self.node = mock.Mock(
            cpu_allocation_ratio=1.0, ram_allocation_ratio=1.0
        )
        tracker = types.SimpleNamespace(compute_nodes={'node1': self.node})
        # Where each card is, by the name of its guest.
        self.places = {}
        self.claims = pinning.Pinning(
            database.HOST, lambda: tracker, self.places_of
        )
        self.building = set()
        self.useFixture(
            fixtures.MockPatchObject(
                self.claims,
                '_are_others_built',
                side_effect=lambda uuid: bool(self.building - {uuid}),
            )
        )
        self.useFixture(fixtures.MockPatchObject(objects.Instance, 'save'))

    def places_of(self, instance):
        return self.places[instance.uuid]

    def host(self, *used):
        """Let these CPUs of each node be taken."""
        topology = test_fit.host_of([8] * len(used))
        for cell, cpus in zip(topology.cells, used, strict=True):
            cell.pinned_cpus = {*cpus}
            cell.memory_usage = 256 if cpus else 0
            pages = objects.NUMAPagesTopology(size_kb=4, total=1 << 20, used=0)
            cell.mempages = [pages]
        self.node.numa_topology = topology._to_json()

    def used(self):
        topology = objects.NUMATopology.obj_from_db_obj(
            self.node.numa_topology
        )
        return [cell.pinned_cpus for cell in topology.cells]

    def guest(self, name, node, cpus, near, policy):
        """Make a guest that Nova has put onto a node."""
        uuid = self.database.add(None)
        instance = self.database.instances[uuid]
        instance.numa_topology = _guest(node, cpus)
        instance.pci_devices = objects.PciDeviceList(objects=[])
        instance.flavor = objects.Flavor(
            extra_specs={'hw:gpuvirt_numa_policy': policy}
        )
        self.places[uuid] = {_NEAR[name]: near}
        self.building.add(uuid)
        return instance

    def nodes(self, instance):
        return [cell.id for cell in instance.numa_topology.cells]


class SettleTest(NumaClaimsCase):
    def test_guest_goes_where_there_is_room(self):
        self.host([], [8, 9])
        guest = self.guest('a', 1, [8, 9], 0, 'required')
        self.claims.settle(guest)
        self.assertEqual([0], self.nodes(guest))
        self.assertEqual([2, 0], [len(used) for used in self.used()])

    def test_two_that_hold_each_others_places_change_them(self):
        self.host([*range(8)], [*range(8, 16)])
        guests = [
            self.guest('a', 0, [*range(8)], 1, 'required'),
            self.guest('b', 1, [*range(8, 16)], 0, 'required'),
        ]
        threads = [
            threading.Thread(target=self.claims.settle, args=(guest,))
            for guest in guests
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([[1], [0]], [self.nodes(g) for g in guests])
        self.assertEqual([{*range(8)}, {*range(8, 16)}], self.used())
        self.assertEqual({}, self.claims._waiting)

    def test_alone_it_does_not_wait(self):
        self.host([*range(8)], [8, 9])
        far = self.guest('a', 1, [8, 9], 0, 'preferred')
        with mock.patch.object(pinning, '_WAIT_SECONDS', 1e6):
            self.claims.settle(far)
        self.assertEqual([1], self.nodes(far))

    def test_required_is_refused_where_nobody_leaves(self):
        self.host([*range(8)], [8, 9])
        far = self.guest('a', 1, [8, 9], 0, 'required')
        # One that is being built and never comes here.
        self.building.add('another')
        with (
            mock.patch.object(pinning, '_WAIT_SECONDS', 0.1),
            mock.patch.object(pinning, '_PAUSE_SECONDS', 0.01),
            self.assertRaisesRegex(exception.ClaimRefused, 'no room for it'),
        ):
            self.claims.settle(far)
        self.assertEqual({}, self.claims._waiting)
        self.assertEqual([8, 2], [len(used) for used in self.used()])

    def test_one_that_gave_up_is_not_moved(self):
        self.host([*range(8)], [*range(8, 16)])
        with mock.patch.object(pinning, '_WAIT_SECONDS', 0.0):
            first = self.guest('a', 0, [*range(8)], 1, 'preferred')
            self.claims.settle(first)
            second = self.guest('b', 1, [*range(8, 16)], 0, 'preferred')
            self.claims.settle(second)
        self.assertEqual([0], self.nodes(first))
        self.assertEqual([1], self.nodes(second))

    def test_required_without_cells_is_impossible(self):
        self.host([], [])
        guest = self.guest('a', 0, [0], 0, 'required')
        guest.numa_topology = None
        with self.assertRaises(exception.RequestImpossible):
            self.claims.settle(guest)

    def wait(self, guest):
        """Let a guest wait, and return the thread in which it does."""
        thread = threading.Thread(target=self.claims.settle, args=(guest,))
        thread.start()
        until = time.monotonic() + 10
        while guest.uuid not in self.claims._waiting:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        return thread

    def test_one_that_waits_and_is_deleted_harms_nobody(self):
        """Nova takes InstanceNotFound for the end of who arrives."""
        self.host([*range(8)], [*range(8, 16)])
        gone = self.guest('a', 0, [*range(8)], 1, 'preferred')
        with mock.patch.object(pinning, '_WAIT_SECONDS', 0.5):
            second = self.guest('b', 1, [*range(8, 16)], 0, 'preferred')
            thread = self.wait(gone)
            del self.database.instances[gone.uuid]
            try:
                self.claims.settle(second)
            finally:
                thread.join()
        self.assertEqual([1], self.nodes(second))
        self.assertEqual([{*range(8)}, {*range(8, 16)}], self.used())

    def test_either_all_that_change_places_are_moved_or_none(self):
        self.host([*range(8)], [*range(8, 16)])
        first = self.guest('a', 0, [*range(8)], 1, 'preferred')
        second = self.guest('b', 1, [*range(8, 16)], 0, 'preferred')
        read = objects.Instance.get_by_uuid.side_effect

        def fail(context, name, expected_attrs):
            if name == second.uuid:
                raise messaging.MessagingTimeout('no conductor')
            return read(context, name, expected_attrs)

        with (
            mock.patch.object(pinning, '_WAIT_SECONDS', 0.5),
            mock.patch.object(objects.Instance, 'get_by_uuid', fail),
        ):
            thread = self.wait(first)
            with contextlib.suppress(messaging.MessagingTimeout):
                self.claims.settle(second)
            thread.join()
        self.assertNotEqual(self.nodes(first), self.nodes(second))
