"""A server keeps its GPU through whatever is done to it on its host."""

from nova.tests.functional.api import client

from tests.functional import base

_IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'


class LifecycleTest(base.GpuTestCase):
    """Each test has one server with a vGPU and one with a whole card."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')
        self.before = self.host.snapshot()
        self.servers = [self.boot(base.VGPU), self.boot(base.PGPU)]
        self.slots = [self.slot(server) for server in self.servers]

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
        self.assertEqual(2, sum(self.totals('host1', 'PGPU').values()))
        for server in self.servers:
            self._start_server(server)
        self.assert_kept()
        self.assert_given_back()

    def test_rebuild(self):
        for server in self.servers:
            self._rebuild_server(server, _IMAGE)
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
        self.assertEqual(8, sum(self.totals('host1', 'VGPU').values()))
        self.servers = [self._unshelve_server(s) for s in self.servers]
        self.assert_agreed()
        self.assertEqual(
            [1, 1], [len(self.hostdevs('host1', s)) for s in self.servers]
        )
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
        connection = self.computes['host1'].driver._host.get_connection()
        self.computes['host1'].stop()
        for domain in list(connection._vms.values()):
            domain.destroy()
        self.host.reboot()
        self.restart_compute_service('host1')
        self.assert_kept()
        self.run_periodic()
        self.assert_kept()
        self.assert_given_back()

    def test_suspend_of_a_whole_card_is_refused(self):
        whole = self.servers[1]
        # The harness answers with the error; a real cloud notes it.
        error = self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            *(whole['id'], {'suspend': {}}),
        )
        self.assertIn('InstanceSuspendFailure', str(error))
        self._wait_for_state_change(whole, 'ACTIVE')
        self.assert_kept()
        self.assert_given_back()


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
