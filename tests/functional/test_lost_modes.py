"""What a reboot took from a card, and servers on it need, is said."""

import ddt
from nova.tests.functional.api import client

from nova_gpuvirt.simulation import root
from tests.functional import base

_MIG_MDEV = {'resources:CUSTOM_VGPU_NVIDIA_A100_1_5C': '1'}
_MIG = {'resources:CUSTOM_VGPU_NVIDIA_H100_1_10C': '1'}
_24Q = {'resources:CUSTOM_VGPU_NVIDIA_DC_24Q': '1'}
_48Q = {'resources:CUSTOM_VGPU_NVIDIA_DC_48Q': '1'}


@ddt.ddt
class LostModesTest(base.GpuTestCase):
    def lose(self, *, vfs):
        """Reboot the host, where nothing restores more than VFs.

        :param vfs: whether they are restored
        """
        self.reboot_host('host1', self.make_vfs if vfs else int, bare=True)
        self.run_periodic()

    def make_vfs(self):
        host = self.simulated['host1']
        for function in host.description.functions:
            if function.vfs is not None:
                root.Root(host).set_nvidia_vfs(function.address, True)

    def restore(self):
        self.reboot_host('host1', bare=False)
        self.run_periodic()

    def traits(self, server):
        (name,) = self.gpu_allocations(server)
        return self.gpu_providers('host1')[name.rpartition('_')[2]]['traits']

    def refused_start(self, server):
        """Start a server that is refused, and return what the log says."""
        self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            server['id'],
            {'os-start': None},
        )
        (line,) = (x for x in self.log().splitlines() if 'Refused on' in x)
        return line

    def test_mig_mode(self):
        self.start_gpu_host('host1', 'h100-mig')
        server = self.boot(_MIG)
        slot = self.slot(server)
        self._stop_server(server)
        self.lose(vfs=True)
        self.assertIn(f'has lost a mode: {slot} can not be had', self.log())
        self.assertIn('nvidia-smi -i 0000:41:00.0 -mig 1', self.log())
        self.assertIn('CUSTOM_GPU_MODE_LOST', self.traits(server))
        self.assertIn(
            'then nvidia-smi mig -i 0000:41:00.0 -cgi',
            self.refused_start(server),
        )
        self.restore()
        self.assertNotIn('CUSTOM_GPU_MODE_LOST', self.traits(server))
        self._start_server(server)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()

    def test_mixed_sizes(self):
        self.start_gpu_host('host1', 'rtx-pro-6000')
        servers = [self.boot(spec) for spec in (_48Q, _24Q)]
        for server in servers:
            self._stop_server(server)
        self.lose(vfs=True)
        command = 'nvidia-smi vgpu -i 0000:41:00.0 -shm 1'
        self.assertIn(
            'and 1 more can not be had without mixed sizes, which a reboot '
            f'or a reload of the driver ends: {command}',
            self.log(),
        )
        self.assertIn(command, self.refused_start(servers[0]))
        self.restore()
        for server in servers:
            self._start_server(server)
        self.assert_agreed()

    def test_gpu_instances_for_mdevs(self):
        self.start_gpu_host('host1', 'a100-mig')
        server = self.boot(_MIG_MDEV)
        slot = self.slot(server)
        self._stop_server(server)
        self.lose(vfs=True)
        self.assertIn(f'has lost a mode: {slot} can not be had', self.log())
        self.assertIn('CUSTOM_GPU_MODE_LOST', self.traits(server))
        self.assertIn('-cgi', self.refused_start(server))
        self.restore()
        self.assertNotIn('CUSTOM_GPU_MODE_LOST', self.traits(server))
        self._start_server(server)
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()

    @ddt.data('l40s', 'a40')
    def test_vfs(self, kind):
        self.start_gpu_host('host1', kind)
        server = self.boot(base.VGPU)
        self._stop_server(server)
        self.lose(vfs=False)
        self.assertIn('can not be had without VFs', self.log())
        self.assertIn('sriov_numvfs is not 0 then', self.log())
        self.restore()
        self._start_server(server)
        self.assert_agreed()
