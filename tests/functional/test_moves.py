"""A server that moves has one GPU where it is, and none where it was.

After a move Nova's tracker does not know that the server is there, and so
not that it goes, until its next periodic update: hence `run_periodic` where
a server is deleted.

Casts are real where nothing says otherwise. Synchronous ones let each service
save its copy of the server again when those that it has called have saved
theirs, so that a lost claim comes back, which it does not in a cloud.
"""

from tests.functional import base

_SMALL = {'resources:CUSTOM_VGPU_NVIDIA_T4_2Q': '1'}
_LARGE = {'resources:CUSTOM_VGPU_NVIDIA_T4_8Q': '1'}


class ResizeTest(base.GpuTestCase):
    """Resizes on one host, between cards."""

    CAST_AS_CALL = False

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        self.host = self.start_gpu_host('host1', 't4')
        self.before = self.host.snapshot()

    def resize(self, server, spec):
        return self._resize_server(
            server, self._create_flavor(extra_spec=spec)
        )

    def assert_given_back(self, server):
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_confirmed_resize_has_the_new_vgpu(self):
        server = self.boot(_SMALL)
        server = self.resize(server, _LARGE)
        self.assert_agreed()
        self._confirm_resize(server)
        self.assertTrue(self.slot(server).endswith('@nvidia-t4-8q'))
        self.assert_agreed()
        self.assert_given_back(server)

    def test_reverted_resize_has_the_old_vgpu(self):
        server = self.boot(_SMALL)
        slot = self.slot(server)
        server = self.resize(server, _LARGE)
        self._revert_resize(server)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()
        self.assert_given_back(server)

    def test_resize_from_a_whole_card_to_none_and_back(self):
        server = self.boot(base.PGPU)
        server = self.resize(server, {})
        self.assertEqual([], self.hostdevs('host1', server))
        self._revert_resize(server)
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        server = self.resize(server, {})
        self._confirm_resize(server)
        self.assert_agreed()
        self.assertEqual(4, sum(self.totals('host1', 'PGPU').values()))
        self.assert_given_back(server)

    def test_restart_while_the_user_decides(self):
        server = self.boot(_SMALL)
        slot = self.slot(server)
        server = self.resize(server, _LARGE)
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assert_agreed()
        self._revert_resize(server)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()
        self.assert_given_back(server)


class MigrationTest(base.GpuTestCase):
    """Moves between two hosts whose slots have the same names."""

    CAST_AS_CALL = False
    KIND = 'gvtg'

    def setUp(self):
        super().setUp()
        self.hosts = {}
        for name in ('host1', 'host2'):
            self.hosts[name] = self.start_gpu_host(name, self.KIND)
        self.before = self.snapshots()

    def snapshots(self):
        return {name: h.snapshot() for name, h in self.hosts.items()}

    def boot_on(self, host):
        return self.boot(base.VGPU, host=host)

    def test_confirmed_migration_leaves_nothing_behind(self):
        server = self.boot_on('host1')
        server = self._migrate_server(server)
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
        self.assert_agreed()
        self._confirm_resize(server)
        self.assert_agreed()
        self.assertEqual(self.before['host1'], self.hosts['host1'].snapshot())
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())

    def test_reverted_migration_has_its_vgpu_again(self):
        server = self.boot_on('host1')
        slot = self.slot(server)
        server = self._migrate_server(server)
        server = self._revert_resize(server)
        self.assertEqual('host1', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(slot, self.slot(server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        self.assertEqual(self.before['host2'], self.hosts['host2'].snapshot())

    def test_restart_of_both_hosts_while_the_user_decides(self):
        server = self.boot_on('host1')
        server = self._migrate_server(server)
        for host in self.hosts:
            self.restart_compute_service(host)
        self.run_periodic()
        self.assert_agreed()
        self._confirm_resize(server)
        self.assert_agreed()

    def test_neighbour_keeps_the_slot_of_the_same_name(self):
        mover = self.boot_on('host1')
        neighbours = [self.boot_on('host2'), self.boot_on('host1')]
        mover = self._migrate_server(mover)
        self._confirm_resize(mover)
        self._delete_server(mover)
        self.run_periodic()
        self.assert_agreed()
        for server in neighbours:
            self._reboot_server(server, hard=True)
        self.assert_agreed()

    def test_source_of_an_evacuation_comes_back(self):
        server = self.boot_on('host1')
        self.computes['host1'].stop()
        service = next(
            s for s in self.api.get_services() if s['host'] == 'host1'
        )
        self.api.put_service_force_down(service['id'], True)
        server = self._evacuate_server(
            server, expected_host='host2', expected_state='SHUTOFF'
        )
        self._start_server(server)
        self.assert_agreed('host2')
        self.restart_compute_service('host1')
        self.api.put_service_force_down(service['id'], False)
        # The guest of the source is gone; its vGPU goes with the next update.
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before['host1'], self.hosts['host1'].snapshot())
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())


class VendorVfioMigrationTest(MigrationTest):
    CAST_AS_CALL = True
    KIND = 'domain-1'
