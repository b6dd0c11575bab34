"""What the oracle of the lives has to find, it finds."""

import contextlib
import random
import unittest

import fixtures
from nova import objects

from tests.functional import side as side_
from tests.functional.lives import oracle
from tests.functional.lives import rest
from tests.functional.lives import world

_RC = 'CUSTOM_VGPU_INTEL_ARC_PRO_B60_4096M'
_PINNED = {f'resources:{_RC}': '1', 'hw:cpu_policy': 'dedicated'}


@unittest.skipUnless(rest.thread_pool_factory, 'needs native threads')
class OracleTest(world.World):
    """Two pinned servers have a part of one card each.

    One cloud is enough: each disagreement is planted and undone.
    """

    fleet = 'small'

    def test_what_it_has_to_find(self):
        self.oracle = oracle.Oracle(self)
        self.one, self.other = self.build(_PINNED, random.Random(0), 2)
        self.catch_up()
        self.read()
        self.oracle.check()
        for plant, finds in (
            (self.claim_with_two_owners, self.oracle.check_owners),
            (self.device_of_two_guests, self.oracle.check_owners),
            (self.other_pinning, self.oracle._check_pinning),
            (self.part_that_is_not_published, self.check_room),
            (self.server_that_is_not_as_was_asked, self.read),
            (self.server_that_nobody_knows, self.read),
        ):
            with plant():
                self.assertRaises(AssertionError, finds)
            finds()
        self.before['host3'][1].clear()
        self.assertRaises(AssertionError, self.reset)

    def check_room(self):
        self.oracle._check_room(side_.Side(self, 'host3'))

    def instance(self, server):
        return objects.Instance.get_by_uuid(
            self.context_at(server.host),
            server.id,
            expected_attrs=['resources', 'numa_topology'],
        )

    @contextlib.contextmanager
    def claim_with_two_owners(self):
        thief = self.instance(self.other)
        own = thief.resources
        thief.resources = self.instance(self.one).resources
        thief.save()
        yield
        thief.resources = own
        thief.save()

    @contextlib.contextmanager
    def device_of_two_guests(self):
        libvirt = self.computes[self.one.host].driver._host.get_connection()
        domains = {d.UUIDString(): d for d in libvirt._vms.values()}
        with fixtures.MockPatchObject(
            domains[self.other.id], '_live', domains[self.one.id]._live
        ):
            yield

    @contextlib.contextmanager
    def other_pinning(self):
        own = self.pin({0: 14, 1: 15})
        yield
        self.pin(own)

    def pin(self, pins):
        """Change what Nova says of a server's CPUs; give what it said."""
        changed = self.instance(self.one)
        (cell,) = changed.numa_topology.cells
        before, cell.cpu_pinning = cell.cpu_pinning, pins
        changed.save()
        return before

    @contextlib.contextmanager
    def part_that_is_not_published(self):
        (provider,) = self.gpu_providers('host3').values()
        self._reserve_placement_resource(provider['name'], _RC, 1)
        yield
        self._reserve_placement_resource(provider['name'], _RC, 0)

    @contextlib.contextmanager
    def server_that_is_not_as_was_asked(self):
        self.one.expect(world.SHUTOFF)
        yield
        self.one.expect(world.ACTIVE)

    @contextlib.contextmanager
    def server_that_nobody_knows(self):
        self.servers.remove(self.one)
        yield
        self.servers.append(self.one)
