"""What a tenant's image alone can do to the scheduling of GPU hosts."""

import fixtures
from nova import context as nova_context
from nova import objects
from nova.scheduler import weights

from tests.functional import base

_IMAGE = '3c1d2b6e-8a41-4b1e-9d54-4d2f61a0a7c5'
_WEIGHED = 'nova.scheduler.host_manager.HostManager.get_weighed_hosts'


class FailingHostsTest(base.GpuTestCase):
    def image(self, **properties):
        self.glance.create(
            None,
            {
                'id': _IMAGE,
                'name': 'odd',
                'status': 'active',
                'disk_format': 'qcow2',
                'container_format': 'bare',
                'size': 1,
                'min_disk': 0,
                'min_ram': 0,
                'properties': properties,
            },
        )

    def failed_builds(self):
        self.run_periodic()
        return [
            int(
                objects.ComputeNode.get_first_node_by_host_for_old_compat(
                    nova_context.get_admin_context(), host
                ).stats.get('failed_builds', 0)
            )
            for host in self.computes
        ]

    def test_addresses_wider_than_any_host_fail_on_one_host_at_most(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'h100')
        self.image(hw_maxphysaddr_mode='emulate', hw_maxphysaddr_bits='64')
        fault = self.boot_refused(base.PGPU, image_uuid=_IMAGE)
        self.assertLess(sum(self.failed_builds()), 2, fault)

    def test_screen_where_no_host_has_a_console_fails_on_one_at_most(self):
        self.flags(enabled=False, group='vnc')
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 't4')
        self.image(hw_gpuvirt_display='true')
        fault = self.boot_refused(base.VGPU, image_uuid=_IMAGE)
        self.assertLess(sum(self.failed_builds()), 2, fault)

    def test_screen_is_given_by_the_host_that_has_one(self):
        """A VF has none; the mdev of another host has."""
        self.start_gpu_host('host1', 'l40s')
        self.start_gpu_host('host2', 't4')
        self.image(hw_gpuvirt_display='true')
        self.useFixture(
            fixtures.MonkeyPatch(
                _WEIGHED,
                lambda manager, hosts, spec: [
                    weights.WeighedHost(host, -float(rank))
                    for rank, host in enumerate(
                        sorted(hosts, key=lambda host: host.host)
                    )
                ],
            )
        )
        server = self.boot(base.VGPU, image_uuid=_IMAGE)
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
