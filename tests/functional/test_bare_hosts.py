"""Hosts that nothing but a layout file prepares, at each start."""

import functools

from tests.functional import base


def _layout(*entries):
    return '\n'.join(('version: 1', 'cards:', *(f'- {e}' for e in entries)))


_ALL_8Q = _layout("{vfs: all, profiles: '*-8q'}")
_MIG = _layout('{vfs: all, mig: [3g.40gb, 2g.20gb, 1g.10gb, 1g.10gb]}')
_MIXED_HOST = _layout(
    "{select: {model: '*L40S*'}, vfs: all}",
    "{select: {model: '*MI210*'}, whole: true}",
)
# One for each way to have a part or the whole of that host's cards.
_KINDS = (
    {'resources:CUSTOM_VGPU_NVIDIA_T4_8Q': '1'},
    {'resources:CUSTOM_VGPU_NVIDIA_L40S_24Q': '1'},
    {'resources:PGPU': '1', 'trait:CUSTOM_GPU_VENDOR_AMD': 'required'},
)


class BareHostTest(base.GpuTestCase):
    def start(self, kind, layout):
        self.flags(resume_guests_state_on_host_boot=True)
        self.host = self.start_gpu_host(
            'host1', kind, bare=True, layout=layout
        )

    def assert_state(self, server, state):
        """What Nova did at its start is done when that returns."""
        found = self.api.get_server(server['id'])
        self.assertEqual(state, found['OS-EXT-STS:vm_state'])

    def reboot(self, between=lambda: None):
        self.reboot_host('host1', between)
        self.run_periodic()

    def test_without_a_file_nothing_is_prepared(self):
        self.host = self.start_gpu_host('host1', 'l40s', bare=True)
        self.assertEqual({}, self.offered('host1', 'VGPU'))

    def test_all_vgpus_of_one_size(self):
        self.start('l40s', _ALL_8Q)
        cards = {'0000:41:00.0': 6, '0000:a1:00.0': 6}
        self.assertEqual(cards, self.offered('host1', 'VGPU'))
        self.assertEqual(
            cards, self.offered('host1', 'CUSTOM_VGPU_NVIDIA_L40S_8Q')
        )
        self.assertEqual(
            {}, self.offered('host1', 'CUSTOM_VGPU_NVIDIA_L40S_24Q')
        )
        self.boot_many(base.VGPU, 12)
        self.assertEqual({}, self.offered('host1', 'VGPU'))
        self.assert_agreed()

    def test_sizes_that_mix(self):
        self.start('rtx-pro-6000', _layout('{vfs: all, mixed_sizes: true}'))
        for size in (48, 24, 8):
            self.boot({f'resources:CUSTOM_VGPU_NVIDIA_DC_{size}Q': '1'})
        self.assert_agreed()

    def test_gpu_instances(self):
        self.start('h100-mig', _MIG)
        for profile, count in (('3_40C', 1), ('2_20C', 1), ('1_10C', 2)):
            self.assertEqual(
                dict.fromkeys(('0000:41:00.0', '0000:a1:00.0'), count),
                self.offered('host1', f'CUSTOM_VGPU_NVIDIA_H100_{profile}'),
            )

    def test_amds_partitions(self):
        self.start(
            'mi300x', _layout('{partition: CPX, memory_mode: NPS4, vfs: 8}')
        )
        (rc,) = {
            rc
            for provider in self.gpu_providers('host1').values()
            for rc in provider['inventories']
            if 'CPX' in rc
        }
        self.assertEqual({8}, {*self.offered('host1', rc).values()})
        self.boot({f'resources:{rc}': '1'})
        self.assert_agreed()

    def test_intels_quotas(self):
        self.start('b60', _layout('{vfs: 3, vf_memory: 2 GiB}'))
        rc = 'CUSTOM_VGPU_INTEL_ARC_PRO_B60_2048M'
        self.assertEqual({'0000:17:00.0': 3}, self.offered('host1', rc))

    def test_guests_have_the_same_devices_after_a_reboot(self):
        self.start('mixed', _MIXED_HOST)
        servers = [self.boot(spec) for spec in _KINDS]
        slots = [self.slot(server) for server in servers]
        self.assert_agreed()
        self.reboot()
        for server, slot in zip(servers, slots, strict=True):
            self.assert_state(server, 'active')
            self.assertEqual(slot, self.slot(server))
            self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()

    def test_gpu_instances_have_the_same_ids_after_a_reboot(self):
        self.start('h100-mig', _MIG)
        servers = [
            self.boot({f'resources:CUSTOM_VGPU_NVIDIA_H100_{name}C': '1'})
            for name in ('3_40', '1_10')
        ]
        devices = [self.hostdevs('host1', server) for server in servers]
        self._stop_server(servers[1])
        self.reboot()
        self._start_server(servers[1])
        for server, before in zip(servers, devices, strict=True):
            self.assert_state(server, 'active')
            now = self.hostdevs('host1', server)
            self.assertEqual(len(before), len(now))
        self.assert_agreed()

    def test_card_that_does_not_come_back(self):
        self.start('mixed', _MIXED_HOST)
        servers = [self.boot(spec) for spec in _KINDS]
        unplug = functools.partial(self.host.unplug, '0000:5e:00.0')
        self.reboot(unplug)
        for server, state in zip(
            servers, ('active', 'error', 'active'), strict=True
        ):
            self.assert_state(server, state)
        connection = self.computes['host1'].driver._host.get_connection()
        running = {
            domain.UUIDString()
            for domain in connection.listAllDomains(0)
            if domain.isActive()
        }
        self.assertEqual({servers[0]['id'], servers[2]['id']}, running)

    def test_driver_that_makes_no_vfs_for_a_while(self):
        """A guest stays down, and starts when they are there."""
        self.start('l40s', _ALL_8Q)
        server = self.boot(base.VGPU)
        slot = self.slot(server)

        self.reboot_host(
            'host1', lambda: self.host.ignore('*/sriov-manage', times=2)
        )
        self.assert_state(server, 'error')
        self.assertIn('wanted to make 32 VFs, found', self.log())
        self.run_periodic()
        self.run_periodic()
        self._reboot_server(server, hard=True)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()

    def test_profile_that_is_in_use_is_taken_out(self):
        self.start('l40s', _ALL_8Q)
        server = self.boot(base.VGPU)
        self.write_layout('host1', _layout("{vfs: all, profiles: '*-24q'}"))
        self.run_periodic()
        self.assertEqual(
            {}, self.offered('host1', 'CUSTOM_VGPU_NVIDIA_L40S_8Q')
        )
        self._reboot_server(server, hard=True)
        self.assert_agreed()
        self.reboot()
        self.assert_state(server, 'active')
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assertEqual(
            {'0000:41:00.0': 2, '0000:a1:00.0': 2},
            self.offered('host1', 'VGPU'),
        )
