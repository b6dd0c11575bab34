"""Many requests at once, and what has become of them."""

import logging
import threading
import time
from concurrent import futures

import fixtures
from nova.scheduler.client import report

from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import own_cells
from nova_gpuvirt.simulation import settling
from tests.functional import base

# Seconds between two looks at all servers, and for how long.
_PAUSE = 1.0
_PATIENCE = 600
_NO_ROOM = ('No valid host', 'Exhausted all hosts')


class CrowdTestCase(base.GpuTestCase):
    """A cloud in which requests come at once, and nobody waits for them.

    A request returns as soon as Nova's API has handed it on, as in a real
    cloud, and is built in Nova's threads.
    """

    CAST_AS_CALL = False

    def setUp(self):
        self.useFixture(own_cells.OwnCells())
        super().setUp()
        # Nova reads those of each guest in each claim, for a move of
        # allocations between providers that never comes: half of its time.
        self.useFixture(
            fixtures.MockPatchObject(
                report.SchedulerReportClient,
                'get_allocations_for_provider_tree',
                return_value={},
            )
        )
        # As nova-compute logs by default: a third of the time else.
        logging.disable(logging.DEBUG)
        self.addCleanup(logging.disable, logging.NOTSET)

    def start_described(self, name, described):
        """Start a host that is none of the simulated ones with a name."""
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.simulation.hosts.HOSTS',
            {**hosts.HOSTS, name: lambda: described},
        ):
            return self.start_gpu_host(name, name)

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

        :param gone: the UUIDs of those that shall be gone by then
        """
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if not settling.under_way({*gone}):
                return {s['id']: s for s in self.api.get_servers()}
            time.sleep(_PAUSE)
        self.fail(f'still under way: {settling.under_way({*gone})}')

    def refused(self, servers):
        """Those for which there was no room; nothing else is wrong."""
        wrong = {
            uuid: server['fault']['message']
            for uuid, server in servers.items()
            if server['status'] == 'ERROR'
        }
        self.assertEqual(
            {},
            {
                u: m
                for u, m in wrong.items()
                if not any(n in m for n in _NO_ROOM)
            },
        )
        return wrong.keys()
