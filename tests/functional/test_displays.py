"""A guest's console shows the screen of its vGPU, when that is asked for."""

from nova.tests.functional.api import client

from tests.functional import base

_SHOWN = {'hw:gpuvirt_display': 'true'}


class DisplayTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.flags(enabled=True, group='vnc')

    def shown(self, server):
        """How each hostdev of a server is shown."""
        return [
            (hostdev.get('display'), hostdev.get('ramfb'))
            for hostdev in self.hostdevs('host1', server)
        ]

    def headless(self, server):
        """The render nodes that draw for a server's console."""
        return self.guest('host1', server).xpath(
            "//graphics[@type='egl-headless']/gl/@rendernode"
        )

    def test_nothing_is_shown_unasked(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        self.assertEqual([(None, None)], self.shown(server))
        self.assertEqual([], self.headless(server))

    def test_flavor_asks_for_it(self):
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU | _SHOWN)
        self.assertEqual([('on', 'on')], self.shown(server))
        # VNC can't show a dma-buf of i915 itself.
        self.assertEqual(['/dev/dri/renderD128'], self.headless(server))
        self._reboot_server(server, hard=True)
        self.assertEqual([('on', 'on')], self.shown(server))

    def test_vgpu_that_draws_by_itself(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU | _SHOWN)
        self.assertEqual([('on', 'on')], self.shown(server))
        self.assertEqual([], self.headless(server))

    def test_shown_vgpu_is_the_only_screen(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU | _SHOWN)
        (video,) = self.guest('host1', server).findall('devices/video/model')
        self.assertEqual('none', video.get('type'))

    def test_shown_vgpu_is_not_suspended(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU | _SHOWN)
        error = self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            *(server['id'], {'suspend': {}}),
        )
        self.assertIn('InstanceSuspendFailure', str(error))
        self._wait_for_state_change(server, 'ACTIVE')
        self.assert_agreed()

    def test_one_of_two(self):
        self.start_gpu_host('host1', 't4')
        spec = {
            'resources1:VGPU': '1',
            'resources2:VGPU': '1',
            'group_policy': 'isolate',
        }
        server = self.boot(spec | _SHOWN)
        self.assertEqual(
            [(None, None), ('on', 'on')],
            sorted(self.shown(server), key=str, reverse=True),
        )

    def test_refused_where_none_can_be_shown(self):
        self.start_gpu_host('host1', 't4')
        for spec in (
            {'resources:CUSTOM_VGPU_NVIDIA_T4_4C': '1'},
            base.PGPU,
        ):
            self.boot_refused(spec | _SHOWN)
            self.assertIn('whose screen its console can show', self.log())
            self.assert_agreed()
