"""What the functional tests have in common."""

import contextlib
import pkgutil
import uuid

import fixtures
from nova import context as nova_context
from nova import objects
from nova.scheduler.client import report

from nova_gpuvirt.simulation import cloud
from tests.functional import agreement

VGPU = {'resources:VGPU': '1'}
PGPU = {'resources:PGPU': '1'}
SESSION = {'resources:CUSTOM_GPU_API_SESSION': '1'}
# The moments at which another request may come between.
CLAIM_IN_PLACEMENT = (
    'nova.scheduler.client.report.SchedulerReportClient.claim_resources'
)
CLAIM_ON_HOST = 'nova.compute.resource_tracker.ResourceTracker.instance_claim'


class GpuTestCase(cloud.Cloud):
    """A cloud in which every side has to agree."""

    def setUp(self):
        super().setUp()
        self._ensure_each_class_once()

    def _ensure_each_class_once(self):
        """Ask Placement once for a class, as it forgets none meanwhile.

        Nova asks for each class of a card with each of its inventories.
        """
        original = report.SchedulerReportClient._ensure_resource_classes
        known = set()

        def ensure(client, context, names):
            original(client, context, set(names) - known)
            known.update(names)

        self.useFixture(
            fixtures.MockPatchObject(
                report.SchedulerReportClient,
                '_ensure_resource_classes',
                ensure,
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
        """Check every side of these hosts, or of all."""
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

    def reboot_host(self, host, between=lambda: None):
        """Reboot a host, and start nova-compute on it.

        :param between: called before nova-compute starts
        """
        connection = self.computes[host].driver._host.get_connection()
        self.computes[host].stop()
        for domain in list(connection._vms.values()):
            domain.destroy()
        self.simulated[host].reboot()
        between()
        self.restart_compute_service(host)

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
