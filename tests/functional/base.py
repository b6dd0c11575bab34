"""What the functional tests have in common."""

import contextlib
import pkgutil
import time
import uuid

import fixtures
from nova import context as nova_context
from nova import objects
from nova.scheduler.client import report

from nova_gpuvirt.simulation import cloud
from nova_gpuvirt.simulation import quick
from tests.functional import agreement

VGPU = {'resources:VGPU': '1'}
PGPU = {'resources:PGPU': '1'}
# One of those that Nova's fixture of Glance has.
IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
# Of a tenth of a second each, on a busy machine.
_WAITS = 600
SESSION = {'resources:CUSTOM_GPU_API_SESSION': '1'}
# The moments at which another request may come between.
CLAIM_IN_PLACEMENT = (
    'nova.scheduler.client.report.SchedulerReportClient.claim_resources'
)
CLAIM_ON_HOST = 'nova.compute.resource_tracker.ResourceTracker.instance_claim'


class GpuTestCase(cloud.Cloud):
    """A cloud in which every side has to agree.

    :cvar rebooted: the hosts on which a guest that is off may lack its vGPUs
    """

    rebooted = frozenset()

    def setUp(self):
        super().setUp()
        self._ensure_each_name_once()

    def _ensure_each_name_once(self):
        """Ask Placement once for a class or a trait: it forgets none.

        Nova asks for each of a card with each of its inventories.
        """
        for name in ('_ensure_resource_classes', '_ensure_traits'):
            self.useFixture(
                fixtures.MockPatchObject(
                    report.SchedulerReportClient, name, _once(name)
                )
            )

    def flavor(self, spec):
        """Create a small flavor with these extra specs."""
        return self._create_flavor(
            memory_mb=256, vcpu=1, disk=1, ephemeral=0, extra_spec=spec
        )

    def boot(self, spec, **kwargs):
        """Boot a server with a flavor of these extra specs."""
        return self._create_server(
            flavor_id=self.flavor(spec), networks='none', **kwargs
        )

    def boot_many(self, spec, count):
        """Boot so many servers, one after the other, of one flavor.

        One request for several takes the first candidate for each, whose
        provider the first of them may have filled.
        """
        flavor = self.flavor(spec)
        return [
            self._create_server(flavor_id=flavor, networks='none')
            for _ in range(count)
        ]

    def boot_refused(self, spec, **kwargs):
        """Boot a server for which there is nothing, and return its fault."""
        server = self.boot(spec, expected_state='ERROR', **kwargs)
        self._delete_server(server)
        return server['fault']['message']

    def assert_agreed(self, *hosts):
        """Check every side of these hosts, or of all, when all is clean."""
        self.wait_until_clean()
        for host in hosts or self.computes:
            agreement.check(self, host)

    def slot(self, server):
        """The identifier of the one thing that a server holds."""
        (claim,) = self.claims(server)
        return claim.identifier

    def totals(self, host, rc):
        """What each card of a host has left of a class, by address."""
        return {
            address: provider['inventories'][rc]['total']
            - provider['inventories'][rc]['reserved']
            - provider['usages'].get(rc, 0)
            for address, provider in self.gpu_providers(host).items()
            if rc in provider['inventories']
        }

    def offered(self, host, rc):
        """The cards of a host that have some left of a class, and how much."""
        return {card: n for card, n in self.totals(host, rc).items() if n}

    def create_image(self, **properties):
        """Create an image of a tenant's, and return its UUID."""
        name = str(uuid.uuid4())
        self.glance.create(
            None,
            {
                'id': name,
                'name': 'of a tenant',
                'status': 'active',
                'disk_format': 'qcow2',
                'container_format': 'bare',
                'size': 1,
                'min_disk': 0,
                'min_ram': 0,
                'properties': properties,
            },
        )
        return name

    def failed_builds(self):
        """How often builds failed on each host, as Nova's weigher sees it."""
        self.run_periodic()
        return [
            int(
                objects.ComputeNode.get_first_node_by_host_for_old_compat(
                    nova_context.get_admin_context(), host
                ).stats.get('failed_builds', 0)
            )
            for host in self.computes
        ]

    def reboot_host(self, host, between=lambda: None, *, bare=None):
        """Reboot a host, and start nova-compute on it.

        :param between: called before nova-compute starts
        :param bare: whether nothing prepares its cards, None as before
        """
        connection = self.connection(host)
        self.computes[host].stop()
        for domain in list(connection._vms.values()):
            domain.destroy()
        if bare is not None:
            self.simulated[host].bare = bare
        self.simulated[host].reboot()
        between()
        self.restart_compute_service(host)

    def wait_until(self, is_so):
        """Wait for what is done beside the requests, and fail if it isn't."""
        for _ in range(_WAITS):
            if is_so():
                return
            time.sleep(quick.PAUSE)
        self.fail('it is not so after a minute')

    def log(self):
        """What the services have logged."""
        return self.stdlog.logger.output

    @contextlib.contextmanager
    def once_before(self, name, action):
        """Do something before the next call of a function of Nova's."""
        pending = [action]
        original = pkgutil.resolve_name(name)

        def wrapper(*args, **kwargs):
            if pending:
                pending.pop()()
            return original(*args, **kwargs)

        with fixtures.MonkeyPatch(name, wrapper):
            yield
        self.assertEqual([], pending, f'{name} was never called')


def _once(name):
    original = getattr(report.SchedulerReportClient, name)
    known = set()

    def ensure(client, context, names):
        original(client, context, set(names) - known)
        known.update(names)

    return ensure
