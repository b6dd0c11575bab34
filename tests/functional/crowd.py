"""Many requests at once, and what has become of them."""

import contextlib
import logging
import threading
import time
from concurrent import futures

import fixtures
from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from nova.tests import fixtures as nova_fixtures

from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation.hosts import flex
from tests.functional import base

# Seconds between two looks at all servers, and for how long.
_PAUSE = 1.0
_PATIENCE = 600
_NO_ROOM = 'No valid host'


class CrowdTestCase(base.GpuTestCase):
    """A cloud in which requests come at once, and nobody waits for them.

    A request returns as soon as Nova's API has handed it on, as in a real
    cloud, and is built in Nova's threads.
    """

    CAST_AS_CALL = False

    def setUp(self):
        self.useFixture(_EachThreadItsCell())
        super().setUp()
        # As nova-compute logs by default: a third of the time else.
        logging.disable(logging.DEBUG)
        self.addCleanup(logging.disable, logging.NOTSET)

    def start_large_host(self, name):
        """Start a host with eight GPUs of six VFs each: four Flex 140."""
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.simulation.hosts.HOSTS',
            {**hosts.HOSTS, 'flex140-x4': lambda: flex.with_140s(4)},
        ):
            return self.start_gpu_host(name, 'flex140-x4')

    def ask(self, flavor, count=1):
        """Ask for servers, and return the UUID of the first."""
        body = self._build_server(
            flavor_id=flavor, networks='none', image_uuid=base.IMAGE
        )
        if count > 1:
            body |= {'min_count': count, 'max_count': count}
        return self.api.post_server({'server': body})['id']

    def at_once(self, requests):
        """Make requests at the same moment, each in a thread of its own."""
        if not requests:
            return []
        start = threading.Barrier(len(requests))

        def make(request):
            start.wait()
            return request()

        with futures.ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(make, requests))

    def settled(self, gone=()):
        """Wait until nothing is under way, and return all servers by UUID.

        The databases are asked and not the API, each answer of which takes
        half a second of a processor when there are many servers.

        :param gone: the UUIDs of those that shall be gone by then
        """
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if not self._under_way({*gone}):
                return {s['id']: s for s in self.api.get_servers()}
            time.sleep(_PAUSE)
        self.fail(f'still under way: {self._under_way({*gone})}')

    def _under_way(self, gone):
        context = nova_context.get_admin_context()
        asked = objects.BuildRequestList.get_all(context)
        found = objects.InstanceList.get_by_filters(
            context, {'deleted': False}, expected_attrs=[]
        )
        return {request.instance_uuid for request in asked} | {
            i.uuid
            for i in found
            if i.vm_state == vm_states.BUILDING
            or i.task_state is not None
            or i.uuid in gone
        }

    def refused(self, servers):
        """Those for which there was no room; nothing else is wrong."""
        wrong = {
            uuid: server['fault']['message']
            for uuid, server in servers.items()
            if server['status'] == 'ERROR'
        }
        self.assertEqual(
            {}, {u: m for u, m in wrong.items() if _NO_ROOM not in m}
        )
        return wrong.keys()


class _EachThreadItsCell(fixtures.Fixture):
    """Let each thread have its own cell, as each service of Nova's has.

    Nova's harness has one cell for the process, and a lock. Threads that wait
    for it, and for the lock that it keeps of each database, wait for each
    other.
    """

    def _setUp(self):
        cell = threading.local()

        @contextlib.contextmanager
        def target_cell(databases, context, mapping):
            before = getattr(cell, 'database', None)
            cell.database = mapping and databases._ctxt_mgrs.get(
                mapping.database_connection
            )
            try:
                with databases._real_target_cell(context, mapping) as target:
                    yield target
            finally:
                cell.database = before

        def of_context(databases, context):
            return (
                getattr(context, 'db_connection', None)
                or getattr(cell, 'database', None)
                or databases._default_ctxt_mgr
            )

        for name, stand_in in (
            ('_wrap_target_cell', target_cell),
            ('_wrap_get_context_manager', of_context),
        ):
            self.useFixture(
                fixtures.MockPatchObject(
                    nova_fixtures.CellDatabases, name, stand_in
                )
            )
