"""Each host gives as much as its hardware has, and gets all of it back.

Of the last slot two boots at once want to have it, at both moments at which
one can come between: one of them gets it.
"""

import ddt

from tests.functional import base

SESSION = 'CUSTOM_GPU_API_SESSION'
NVIDIA = 'CUSTOM_VGPU_NVIDIA'
# Host by host: a class, of which a server may have several; how many servers
# the cards have room for; and another class that stands for the same
# hardware, if there is one. Each server makes Nova slower at the next.
CAPACITIES = (
    ('a16', 'CUSTOM_GPU_SET_2', 4, None),
    ('a40', 'VGPU', 2, f'{NVIDIA}_A40_24C'),
    ('alder-lake', 'VGPU', 7, 'CUSTOM_VGPU_INTEL_UHD_GRAPHICS_770_1OF7'),
    ('b50', 'VGPU', 2, None),
    ('b60', 'VGPU', 4, None),
    ('domain-1', 'VGPU', 2, f'{NVIDIA}_DC_48Q'),
    ('flex140', 'VGPU', 12, None),
    ('flex170', 'VGPU', 16, None),
    ('gvtd', 'PGPU', 1, SESSION),
    ('gvtg', 'VGPU', 2, 'CUSTOM_VGPU_INTEL_GVTG_V5_8'),
    ('gvtg-1g', 'CUSTOM_VGPU_INTEL_GVTG_V5_8', 7, None),
    ('h100', 'PGPU', 8, None),
    ('h100-mig', 'VGPU', 9, None),
    ('hgx-h100', 'CUSTOM_GPU_SET_2', 4, 'PGPU'),
    ('l40s', 'VGPU', 4, f'{NVIDIA}_L40S_24A'),
    ('mi300x', 'VGPU=4', 16, None),
    ('mi300x-hive', 'CUSTOM_GPU_SET_4', 2, 'PGPU'),
    ('mixed', 'VGPU', 4, None),
    ('off-bus', 'VGPU', 6, None),
    ('rtx-pro-6000', f'{NVIDIA}_DC_24Q', 4, None),
    ('s7150x2', 'VGPU=2', 16, None),
    ('t4', f'{NVIDIA}_T4_4Q', 16, f'{NVIDIA}_T4_4C'),
    ('v710', 'VGPU', 12, None),
    ('vgem', SESSION, 8, None),
    ('workstation', 'PGPU', 1, None),
)


@ddt.ddt
class CapacityTest(base.GpuTestCase):
    @ddt.unpack
    @ddt.data(*CAPACITIES)
    def test_all_is_given_and_given_back(self, kind, rc, count, other):
        host = self.start_gpu_host('host1', kind)
        before = host.snapshot()
        rc, _, each = rc.partition('=')
        spec = {f'resources:{rc}': each or '1'}
        servers = self.boot_many(spec, count - 1)
        servers.append(self.race(base.CLAIM_IN_PLACEMENT, spec, spec))
        self.assert_full(rc, spec)
        if other is not None:
            self._delete_server(servers.pop())
            rival = {f'resources:{other}': '1'}
            servers.append(self.race(base.CLAIM_ON_HOST, spec, rival))
            self.assert_full(rc, spec)
        for server in servers:
            self._delete_server(server)
        self.assert_agreed()
        free = sum(self.totals('host1', rc).values())
        self.assertEqual(count * int(each or 1), free)
        self.assertEqual(before, host.snapshot())

    def race(self, moment, spec, rival_spec):
        """Boot a server, and another at a moment; the second gets it."""
        rivals = []
        with self.once_before(
            moment, lambda: rivals.append(self.boot(rival_spec))
        ):
            self.boot_refused(spec)
        return rivals[0]

    def assert_full(self, rc, spec):
        """Check that nothing is left of a class."""
        self.assert_agreed()
        self.assertEqual(0, sum(self.totals('host1', rc).values()))
        self.assertIn('No valid host', self.boot_refused(spec))
