"""A server keeps its GPU through whatever is done to it on its host."""

from nova.tests.functional.api import client

from tests.functional import base


def _of(model, spec):
    return spec | {f'trait:CUSTOM_GPU_MODEL_{model}': 'required'}


class LifecycleTest(base.GpuTestCase):
    """Each test has one server for each kind of GPU that a host has.

    Casts are real, as in `test_moves`.
    """

    CAST_AS_CALL = False
    KIND = 'mixed'
    SPECS = (
        _of('TESLA_T4', base.VGPU),
        _of('L40S', base.VGPU),
        _of('INSTINCT_MI210', base.PGPU),
    )

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', self.KIND)
        self.before = self.host.snapshot()
        self.free = self.gpu_totals()
        self.servers = [self.boot(spec) for spec in self.SPECS]
        self.slots = [self.slot(server) for server in self.servers]

    def gpu_totals(self):
        """What the host has left of the classes that are asked for."""
        classes = {key for spec in self.SPECS for key in spec}
        return {
            rc: self.totals('host1', rc.removeprefix('resources:'))
            for rc in classes
            if rc.startswith('resources:')
        }

    def assert_kept(self):
        """Every server has what it had, once, and all sides agree."""
        self.assertEqual(self.slots, [self.slot(s) for s in self.servers])
        self.assert_agreed()

    def assert_given_back(self):
        """Nothing is left when the servers are deleted."""
        for server in self.servers:
            self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_soft_and_hard_reboot(self):
        for hard in (False, True, True):
            for server in self.servers:
                self._reboot_server(server, hard=hard)
            self.assert_kept()
        self.assert_given_back()

    def test_stop_and_start(self):
        for server in self.servers:
            self._stop_server(server)
        self.assert_kept()
        # Nobody else gets what a stopped server has.
        self.assertNotEqual(self.free, self.gpu_totals())
        for server in self.servers:
            self._start_server(server)
        self.assert_kept()
        self.assert_given_back()

    def test_rebuild(self):
        for server in self.servers:
            self._rebuild_server(server, base.IMAGE)
        self.assert_kept()
        self.assert_given_back()

    def test_rescue_and_unrescue(self):
        for server in self.servers:
            self._rescue_server(server)
        self.assert_kept()
        for server in self.servers:
            self._unrescue_server(server)
        self.assert_kept()
        self.assert_given_back()

    def test_shelve_and_unshelve(self):
        for server in self.servers:
            self._shelve_server(server)
        self.assert_agreed()
        self.assertEqual(self.free, self.gpu_totals())
        self.servers = [self._unshelve_server(s) for s in self.servers]
        self.assert_agreed()
        self.assert_given_back()

    def test_unrescue_after_a_reboot_of_the_host(self):
        for server in self.servers:
            self._rescue_server(server)
        self.reboot_host('host1')
        for server in self.servers:
            self._unrescue_server(server)
        self.assert_kept()
        self.assert_given_back()

    def test_restart_of_nova_compute(self):
        self.restart_compute_service('host1')
        self.assert_kept()
        self.run_periodic()
        self.assert_kept()
        for server in self.servers:
            self._reboot_server(server, hard=True)
        self.assert_kept()
        self.assert_given_back()

    def test_reboot_of_the_host(self):
        self.flags(resume_guests_state_on_host_boot=True)
        self.reboot_host('host1')
        self.assert_kept()
        self.run_periodic()
        self.assert_kept()
        self.assert_given_back()

    def test_suspend_is_refused_but_for_mdevs(self):
        for server, slot in zip(self.servers, self.slots, strict=True):
            if not slot.startswith('mdev:'):
                self.assert_not_suspended(server)
        self.assert_kept()
        self.assert_given_back()

    def assert_not_suspended(self, server):
        if self.CAST_AS_CALL:
            error = self.assertRaises(
                client.OpenStackApiException,
                self.api.post_server_action,
                *(server['id'], {'suspend': {}}),
            )
            self.assertIn('InstanceSuspendFailure', str(error))
        else:
            self.api.post_server_action(server['id'], {'suspend': {}})
            self._wait_for_action_fail_completion(
                server, 'suspend', 'compute_suspend_instance'
            )
            # Nova's harness sees the action's end before the log has it.
            self._wait_for_log('InstanceSuspendFailure')
        self._wait_for_state_change(server, 'ACTIVE')


class VirtualFunctionLifecycleTest(LifecycleTest):
    CAST_AS_CALL = True
    KIND = 'b60'
    SPECS = (base.VGPU,)


class RendererLifecycleTest(LifecycleTest):
    CAST_AS_CALL = True
    KIND = 'vgem'
    SPECS = (base.SESSION,)


class LiveMigrationTest(base.GpuTestCase):
    def test_live_migration_is_refused_with_the_reason(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        self.start_gpu_host('host2', 'gvtg')
        self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            server['id'],
            {'os-migrateLive': {'host': None, 'block_migration': 'auto'}},
        )
        self._wait_for_state_change(server, 'ACTIVE')
        self.assertIn('migrate it cold', self.log())
        self.assert_agreed()
