"""What a tenant's image alone can do to the scheduling of GPU hosts."""

import fixtures
from nova.scheduler import weights

from tests.functional import base

_WEIGHED = 'nova.scheduler.host_manager.HostManager.get_weighed_hosts'


class FailingHostsTest(base.GpuTestCase):
    def test_addresses_wider_than_any_host_fail_on_one_host_at_most(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'h100')
        image = self.create_image(
            hw_maxphysaddr_mode='emulate', hw_maxphysaddr_bits='64'
        )
        fault = self.boot_refused(base.PGPU, image_uuid=image)
        self.assertLess(sum(self.failed_builds()), 2, fault)

    def test_screen_where_no_host_has_a_console_fails_on_one_at_most(self):
        self.flags(enabled=False, group='vnc')
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 't4')
        image = self.create_image(hw_gpuvirt_display='true')
        fault = self.boot_refused(base.VGPU, image_uuid=image)
        self.assertLess(sum(self.failed_builds()), 2, fault)

    def test_screen_is_given_by_the_host_that_has_one(self):
        """A VF has none; the mdev of another host has."""
        self.start_gpu_host('host1', 'l40s')
        self.start_gpu_host('host2', 't4')
        image = self.create_image(hw_gpuvirt_display='true')
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
        server = self.boot(base.VGPU, image_uuid=image)
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
