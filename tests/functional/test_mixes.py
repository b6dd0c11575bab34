"""Profiles on one card go together as far as its driver lets them."""

import ddt

from tests.functional import base

# Host by host: a card to leave out, if any; profiles one after the other, and
# whether each is to be had.
MIXES = (
    # One size of framebuffer on a card, whatever the series.
    (
        'a40',
        None,
        (
            ('nvidia_a40_2q', True),
            ('nvidia_a40_4q', False),
            ('nvidia_a40_2b', True),
            ('nvidia_a40_2a', True),
            ('nvidia_a40_1q', False),
        ),
    ),
    (
        'l40s',
        '0000:a1:00.0',
        (
            ('nvidia_l40s_16q', True),
            ('nvidia_l40s_16a', True),
            ('nvidia_l40s_24q', False),
            ('nvidia_l40s_16q', True),
            ('nvidia_l40s_16q', False),
        ),
    ),
    # Any sizes that find a place.
    (
        'rtx-pro-6000',
        None,
        (
            ('nvidia_dc_48q', True),
            ('nvidia_dc_24q', True),
            ('nvidia_dc_32q', False),
            ('nvidia_dc_12q', True),
            ('nvidia_dc_3q', True),
            ('nvidia_dc_12q', False),
            ('nvidia_dc_6q', True),
            ('nvidia_dc_3q', True),
            ('nvidia_dc_3q', False),
            # A type for GPU instances, of which there are none.
            ('nvidia_dc_1_24q', False),
        ),
    ),
    # What the GPU instances hold: seven small ones, and three of two sizes.
    (
        'h100-mig',
        None,
        (
            ('nvidia_h100_3_40c', True),
            ('nvidia_h100_3_40c', False),
            ('nvidia_h100_2_20c', True),
            ('nvidia_h100_2_20c', True),
            ('nvidia_h100_2_20c', False),
            ('nvidia_h100_4_40c', False),
            ('nvidia_h100_1_10c', True),
            ('nvidia_h100_10c', False),
        ),
    ),
    (
        'a100-mig',
        None,
        (
            ('nvidia_a100_1_5c', True),
            ('nvidia_a100_3_20c', True),
            ('nvidia_a100_3_20c', False),
            ('nvidia_a100_2_10c', True),
            ('nvidia_a100_4_20c', False),
            ('nvidia_a100_1_5c', True),
            ('nvidia_a100_1_5c', False),
        ),
    ),
    # Sizes that mix in GPU instances: two of a slice, and one of two.
    (
        'rtx-pro-6000-mig',
        None,
        (
            ('nvidia_dc_1_12q', True),
            ('nvidia_dc_1_24q', True),
            ('nvidia_dc_1_24q', False),
            ('nvidia_dc_1_8q', True),
            ('nvidia_dc_1_6q', False),
            ('nvidia_dc_2_24q', True),
            ('nvidia_dc_2_48q', False),
        ),
    ),
    # Three budgets that all types draw on.
    (
        'gvtg-1g',
        None,
        (
            ('intel_gvtg_v5_1', True),
            ('intel_gvtg_v5_1', False),
            ('intel_gvtg_v5_4', True),
            ('intel_gvtg_v5_8', False),
        ),
    ),
    (
        'gvtg-1g',
        None,
        (
            ('intel_gvtg_v5_2', True),
            ('intel_gvtg_v5_4', True),
            ('intel_gvtg_v5_8', True),
            ('intel_gvtg_v5_8', True),
            ('intel_gvtg_v5_4', False),
            ('intel_gvtg_v5_8', True),
            ('intel_gvtg_v5_8', False),
        ),
    ),
)


@ddt.ddt
class MixTest(base.GpuTestCase):
    @ddt.unpack
    @ddt.data(*MIXES)
    def test_profiles_beside_each_other(self, kind, missing, steps):
        host = self.start_gpu_host('host1', kind)
        if missing is not None:
            host.unplug(missing)
            self.run_periodic()
        before = host.snapshot()
        servers = []
        for profile, fits in steps:
            spec = {f'resources:CUSTOM_VGPU_{profile.upper()}': '1'}
            if fits:
                servers.append(self.boot(spec))
            else:
                self.assertIn('No valid host', self.boot_refused(spec))
            self.assert_agreed()
        for server in servers:
            self._delete_server(server)
        self.assertEqual(before, host.snapshot())
        self.assert_agreed()

    def test_three_kinds_of_card_in_one_host(self):
        host = self.start_gpu_host('host1', 'mixed')
        before = host.snapshot()
        card = 'trait:CUSTOM_GPU_MODEL_'
        servers = [
            self.boot(base.VGPU | {f'{card}TESLA_T4': 'required'}),
            self.boot(base.VGPU | {f'{card}L40S': 'required'}),
            self.boot(base.PGPU | {f'{card}INSTINCT_MI210': 'required'}),
        ]
        self.assertEqual(
            ['mdev', 'vendor-vfio', 'passthrough'],
            [self.slot(server).partition(':')[0] for server in servers],
        )
        self.assert_agreed()
        for server in servers:
            self._delete_server(server)
        self.assertEqual(before, host.snapshot())
