"""Two cells: each host reads its own database, and a move stays in one.

In a move to another cell Nova does not hand the claims of the destination to
the server that arrives there (it passes on the copy from before the claim).
"""

import fixtures
from nova.policies import base as base_policies
from nova.policies import servers as servers_policies

from tests.functional import base


class CrossCellTest(base.GpuTestCase):
    NUMBER_OF_CELLS = 2
    KIND = 'gvtg'
    SPEC = base.VGPU

    def setUp(self):
        super().setUp()
        self.policy.set_rules(
            {servers_policies.CROSS_CELL_RESIZE: base_policies.RULE_ADMIN_API},
            overwrite=False,
        )
        self.hosts = {
            name: self.start_gpu_host(name, self.KIND, cell)
            for name, cell in (('host1', 'cell1'), ('host2', 'cell2'))
        }
        self.before = self.snapshots()

    def snapshots(self):
        return {name: h.snapshot() for name, h in self.hosts.items()}

    def test_hosts_of_two_cells(self):
        servers = [self.boot(self.SPEC, host=host) for host in self.hosts]
        self.run_periodic()
        self.assert_agreed()
        for host in self.hosts:
            self.restart_compute_service(host)
        self.run_periodic()
        self.assert_agreed()
        for server in servers:
            self._reboot_server(server, hard=True)
            self.assert_agreed()
            self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())

    def test_server_with_a_gpu_stays_in_its_cell(self):
        server = self.boot(self.SPEC, host='host1')
        slot = self.slot(server)
        for where in (None, {'host': 'host2'}):
            # The harness answers with the error; a real cloud notes it.
            self.api.post_server_action(
                server['id'],
                {'migrate': where},
                check_response_status=[202, 500],
            )
            server = self._wait_for_server_parameter(
                server, {'status': 'ACTIVE', 'OS-EXT-STS:task_state': None}
            )
        self.assertIn('can not move to its cell', self.log())
        self.assertEqual('host1', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(slot, self.slot(server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.run_periodic()
        self.assert_agreed()

    def test_move_past_the_filter_leaves_the_server_its_gpu(self):
        asked = 'nova_gpuvirt.scheduler.filters._Asked._cell'
        self.useFixture(fixtures.MonkeyPatch(asked, None))
        server = self.boot(self.SPEC, host='host1')
        slot = self.slot(server)
        self.api.post_server_action(
            server['id'], {'migrate': None}, check_response_status=[202, 409]
        )
        server = self._wait_for_server_parameter(
            server, {'status': 'ERROR', 'OS-EXT-STS:task_state': None}
        )
        self.run_periodic()
        self.assertEqual('host1', server['OS-EXT-SRV-ATTR:host'])
        self._reboot_server(server, hard=True)
        self.assertEqual(slot, self.slot(server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.run_periodic()
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())

    def leave(self):
        """Resize a server of host1 to a flavor without a GPU, on host2."""
        server = self.boot(self.SPEC, host='host1')
        self.left = self.slot(server)
        server = self._resize_server(server, self.flavor({}))
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual([], self.hostdevs('host2', server))
        self.run_periodic()
        self.assert_agreed()
        return server

    def test_server_that_left_its_gpu_has_it_again_after_a_revert(self):
        server = self._revert_resize(self.leave())
        self.assertEqual('host1', server['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(self.left, self.slot(server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.run_periodic()
        self.assert_agreed()

    def test_gpu_that_a_server_left_is_free_once_that_is_confirmed(self):
        server = self._confirm_resize(self.leave(), cross_cell=True)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())
        self._reboot_server(server, hard=True)
        # Its cell's database has the claim it came with: Nova's first update
        # after the start stumbles over it, and the next does not.
        self.restart_compute_service('host2')
        self.run_periodic()
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.snapshots())
