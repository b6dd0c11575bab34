"""No guest is built or started with GPUs that are not its own, or without.

Casts are real: the harness' own are calls that save stale objects again.
"""

import contextlib
import time

import fixtures
from keystoneauth1 import exceptions as keystone_exceptions
from nova import context as nova_context
from nova import objects

from tests.functional import base

_CARD = '0000:01:00.0'
_GET = 'nova.scheduler.client.report.SchedulerReportClient.get'
_FILTER = 'nova_gpuvirt.scheduler.filters._Asked.passes'
# Another card of NVIDIA's than the workstation has.
_OTHER_MODEL = '0x1eb8\n'


class GateCase(base.GpuTestCase):
    CAST_AS_CALL = False

    def forget_claims(self, server):
        """Lose what Nova has saved of a server's claims."""
        instance = self.instance(server)
        instance.resources = None
        instance.save()

    def instance(self, server):
        return objects.Instance.get_by_uuid(
            nova_context.get_admin_context(), server['id']
        )

    def fail_to_migrate(self, server):
        self.api.post_server_action(server['id'], {'migrate': None})
        return self._wait_for_server_parameter(
            server, {'status': 'ERROR', 'OS-EXT-STS:task_state': None}
        )

    def fail_to_start(self, server):
        """Ask for a start that is refused, and return what the owner reads."""
        self.api.post_server_action(server['id'], {'os-start': None})
        for _ in range(240):
            last = self.api.get_instance_actions(server['id'])[0]
            events = self.api.api_get(
                f'/servers/{server["id"]}/os-instance-actions/'
                f'{last["request_id"]}'
            ).body['instanceAction']['events']
            if events and events[0]['result']:
                break
            time.sleep(0.5)
        self.assertEqual('Error', events[0]['result'])
        self._wait_for_server_parameter(
            server, {'status': 'SHUTOFF', 'OS-EXT-STS:task_state': None}
        )
        return events[0]['details']

    def assert_in_error(self, server):
        """Its guest was not started with the host; the API shows no fault."""
        self.assertEqual('error', self.instance(server).vm_state)

    def hard_reboot(self, server, state):
        self.api.post_server_action(server['id'], {'reboot': {'type': 'HARD'}})
        return self._wait_for_server_parameter(
            server, {'status': state, 'OS-EXT-STS:task_state': None}
        )

    def is_running(self, host, server):
        connection = self.computes[host].driver._host.get_connection()
        return any(
            domain.UUIDString() == server['id'] and domain.isActive()
            for domain in connection._vms.values()
        )

    def assert_told_nothing(self, message):
        """What the owner may read names no address and nobody else."""
        self.assertIn('the log of nova-compute', message)
        for secret in ('0000:', 'instance ', 'CUSTOM_'):
            self.assertNotIn(secret, message)


class RefusedMoveTest(GateCase):
    def test_hard_reboot_without_claims(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        self.start_gpu_host('host2', 'gvtg')
        # Nova skips a provider without resources when it claims.
        tree = self.computes['host2'].manager.rt.provider_tree
        (provider,) = self.gpu_providers('host2').values()
        tree.update_resources(provider['uuid'], {})
        self.fail_to_migrate(server)
        self.run_periodic()
        server = self.hard_reboot(server, 'ERROR')
        self.assertFalse(self.is_running('host2', server))
        self.assertIn('wanted 1 of VGPU from this host', self.log())
        self.assert_told_nothing(server['fault']['message'])

    def test_hard_reboot_with_the_card_of_a_stopped_server(self):
        self.start_gpu_host('host1', 'workstation')
        mover = self.boot(base.PGPU)
        self.start_gpu_host('host2', 'workstation')
        owner = self.boot(base.PGPU, host='host2')
        devices = len(self.hostdevs('host2', owner))
        # Placement and the tracker have forgotten the owner.
        self._delete_server_allocations(owner['id'])
        self.run_periodic()
        self._stop_server(owner)
        self.computes['host2'].manager.rt.assigned_resources.clear()
        with fixtures.MockPatch(_FILTER, return_value=True):
            self.fail_to_migrate(mover)
        self.run_periodic()
        self.assertEqual(self.slot(mover), self.slot(owner))
        mover = self.hard_reboot(mover, 'ERROR')
        self.assertFalse(self.is_running('host2', mover))
        self.assert_told_nothing(mover['fault']['message'])
        self.assertIn(f'also by instance {owner["id"]}', self.log())
        self._start_server(owner)
        self.assertEqual(devices, len(self.hostdevs('host2', owner)))
        self._delete_server(mover)
        self.assertTrue(self.is_running('host2', owner))


class ReplacedCardTest(GateCase):
    """Another card sits at the address of the one that was claimed."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'workstation')
        self.server = self.boot(base.PGPU)
        place = f'sys/bus/pci/devices/{_CARD}/device'
        self.model = (self.host.root / place).read_text()

    def replace(self, model):
        self.host.break_file(_CARD, 'device', model)

    def assert_not_started(self):
        self.assert_told_nothing(self.fail_to_start(self.server))
        self.assertFalse(self.is_running('host1', self.server))
        self.assertIn('(10de:1eb8), and what is claimed here', self.log())

    def test_start(self):
        self.server = self._stop_server(self.server)
        self.replace(_OTHER_MODEL)
        self.run_periodic()
        self.assert_not_started()
        self.restart_compute_service('host1')
        self.assert_not_started()
        self.replace(self.model)
        self.run_periodic()
        self._start_server(self.server)
        self.assert_agreed()

    def test_boot_of_the_host(self):
        self.flags(resume_guests_state_on_host_boot=True)
        self.reboot_host('host1', lambda: self.replace(_OTHER_MODEL))
        self.assert_in_error(self.server)
        self.assertFalse(self.is_running('host1', self.server))
        self.replace(self.model)
        self.run_periodic()
        self.server = self.hard_reboot(self.server, 'ACTIVE')
        self.assert_agreed()


class HostBootTest(GateCase):
    """Guests are started before any update, perhaps without Placement."""

    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.compute.claims.allocations._PATIENCE_SECONDS',
                0.0,
            )
        )
        self.flags(resume_guests_state_on_host_boot=True)
        self.start_gpu_host('host1', 'gvtg')
        self.servers = [self.boot(base.VGPU) for _ in range(2)]

    @contextlib.contextmanager
    def placement_is_down(self):
        error = keystone_exceptions.ConnectFailure('nobody listens')
        with fixtures.MockPatch(_GET, side_effect=error):
            yield

    def test_guests_start_without_placement_where_all_else_agrees(self):
        with self.placement_is_down():
            self.reboot_host('host1')
            for server in self.servers:
                self.assertTrue(self.is_running('host1', server))
            self.assertIn('No answer of Placement', self.log())
        for _ in range(2):
            self.run_periodic()
        self.assertNotIn('started while Placement', self.log())
        self.assert_agreed()

    def test_guest_is_looked_at_again(self):
        first, second = self.servers
        with self.placement_is_down():
            self.reboot_host('host1')
        self.forget_claims(first)
        for _ in range(2):
            self.run_periodic()
        errors = [
            line
            for line in self.log().splitlines()
            if 'was started while Placement did not answer' in line
        ]
        self.assertEqual(1, len(errors))
        self.assertIn(first['id'], errors[0])

    def test_guest_without_claims(self):
        for down in (False, True):
            first, second = self.servers
            self.forget_claims(first)
            with contextlib.ExitStack() as stack:
                if down:
                    stack.enter_context(self.placement_is_down())
                self.reboot_host('host1')
            self.assert_in_error(first)
            self.assertFalse(self.is_running('host1', first))
            self.assertTrue(self.is_running('host1', second))

    def test_claim_that_two_have(self):
        first, second = self.servers
        resources = self.instance(first).resources
        thief = self.instance(second)
        thief.resources = resources
        thief.save()
        self.reboot_host('host1')
        running = [self.is_running('host1', s) for s in self.servers]
        self.assertEqual([False, False], running)
        self.assertIn('is claimed 2 times', self.log())

    def test_claim_that_nobody_knows(self):
        def forget():
            node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
                nova_context.get_admin_context(), 'host1'
            )
            node.stats = {}
            node.save()

        with self.placement_is_down():
            self.reboot_host('host1', forget)
        self.assert_in_error(self.servers[0])
        self.assertIn('neither Placement nor the database says', self.log())
        self.run_periodic()
        for server in self.servers:
            self.hard_reboot(server, 'ACTIVE')
        self.assert_agreed()


class LostClaimTest(GateCase):
    """Whatever would start a guest is refused before it is touched."""

    def test_every_way_to_start_a_guest(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        resources = self.instance(server).resources
        self.forget_claims(server)
        server = self.hard_reboot(server, 'ACTIVE')
        self.assertIn('Reboot failed but instance is running', self.log())
        self.assertTrue(self.is_running('host1', server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        instance = self.instance(server)
        instance.resources = resources
        instance.save()
        server = self._stop_server(server)
        self.forget_claims(server)
        self.assert_told_nothing(self.fail_to_start(server))
        self.assertFalse(self.is_running('host1', server))
        instance = self.instance(server)
        instance.resources = resources
        instance.save()
        server = self._start_server(server)
        self.assert_agreed()

    def test_rebuild_leaves_the_old_guest(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        self.forget_claims(server)
        self.api.post_server_action(
            server['id'],
            {'rebuild': {'imageRef': server['image']['id']}},
        )
        server = self._wait_for_server_parameter(
            server, {'status': 'ERROR', 'OS-EXT-STS:task_state': None}
        )
        self.assertTrue(self.is_running('host1', server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_told_nothing(server['fault']['message'])
