"""Each host gives as much as its hardware has, and gets all of it back.

Of the last slot two boots at once want to have it, at both moments at which
one can come between: one of them gets it.
"""

import ddt

from tests.functional import base

SESSION = 'CUSTOM_GPU_API_SESSION'
NVIDIA = 'CUSTOM_VGPU_NVIDIA'
# Host by host: a class; how many units of it the servers have that fill the
# cards but for the last, which two want to have; and another class that
# stands for the same hardware, if there is one. Each server makes Nova slower
# at the next, so one has many where a guest may; `test_reports` of the unit
# tests hands them out one by one.
CAPACITIES = (
    ('a16', 'CUSTOM_GPU_SET_2', (1,) * 3, None),
    ('a100-mig', 'VGPU', (1,), f'{NVIDIA}_A100_1_5C'),
    ('a40', 'VGPU', (1,), f'{NVIDIA}_A40_24C'),
    ('alder-lake', 'VGPU', (5, 1), 'CUSTOM_VGPU_INTEL_UHD_GRAPHICS_770_1OF7'),
    ('b50', 'VGPU', (1,), None),
    ('b60', 'VGPU', (1,) * 3, None),
    ('domain-1', 'VGPU', (1,), f'{NVIDIA}_DC_48Q'),
    ('flex140', 'VGPU', (5, 6), None),
    ('flex170', 'VGPU', (7, 8), None),
    ('gvtd', 'PGPU', (), SESSION),
    ('gvtg', 'VGPU', (1,), 'CUSTOM_VGPU_INTEL_GVTG_V5_8'),
    ('gvtg-1g', 'CUSTOM_VGPU_INTEL_GVTG_V5_8', (1,) * 6, None),
    ('h100', 'PGPU', (1,) * 7, None),
    ('h100-mig', 'VGPU', (1,) * 8, None),
    ('hgx-h100', 'CUSTOM_GPU_SET_2', (1,) * 3, 'PGPU'),
    ('l40s', 'VGPU', (1,) * 3, f'{NVIDIA}_L40S_24A'),
    ('mi300x', 'VGPU', (*(8,) * 7, 7), None),
    ('mi300x-hive', 'CUSTOM_GPU_SET_4', (1,), 'PGPU'),
    ('mixed', 'VGPU', (1,) * 3, None),
    ('off-bus', 'VGPU', (1,) * 5, None),
    ('rtx-pro-6000', f'{NVIDIA}_DC_24Q', (1,) * 3, None),
    ('rtx-pro-6000-mig', f'{NVIDIA}_DC_1_12Q', (1,) * 3, None),
    ('s7150x2', 'VGPU', (15, 16), None),
    ('t4', f'{NVIDIA}_T4_16Q', (1,) * 3, f'{NVIDIA}_T4_16C'),
    ('v710', 'VGPU', (10, 1), None),
    ('vgem', SESSION, (1,) * 7, None),
    ('workstation', 'PGPU', (), None),
)


@ddt.ddt
class CapacityTest(base.GpuTestCase):
    @ddt.unpack
    @ddt.data(*CAPACITIES)
    def test_all_is_given_and_given_back(self, kind, rc, units, other):
        host = self.start_gpu_host('host1', kind)
        before = host.snapshot()
        servers = [self.boot({f'resources:{rc}': str(n)}) for n in units]
        spec = {f'resources:{rc}': '1'}
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
        self.assertEqual(sum(units) + 1, free)
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
