"""A guest's console shows the screen of its vGPU, when that is asked for."""

from nova.tests.functional.api import client

from tests.functional import base

_SHOWN = {'hw:gpuvirt_display': 'true'}
# A profile for computing, without a screen.
_BLIND = {'resources:CUSTOM_VGPU_NVIDIA_T4_4C': '1'}


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

    def assert_not_shown(self, spec, reason):
        """The filter refuses it, and a host that is named aborts it."""
        fault = self.boot_refused(spec | _SHOWN)
        self.assertIn('No valid host', fault)
        self.assertIn('its console can not show the screen', self.log())
        fault = self.boot_refused(spec | _SHOWN, az='nova:host1')
        self.assertIn('a vGPU whose screen its console can show', fault)
        self.assertIn(reason, fault)
        self.assert_agreed()

    def test_refused_where_none_can_be_shown(self):
        self.start_gpu_host('host1', 't4')
        self.assert_not_shown(_BLIND, 'found vGPUs without one')
        self.assert_not_shown(base.PGPU, 'found no vGPU that is an mdev')


class ImageTest(base.GpuTestCase):
    """A tenant's image asks for what no host has."""

    def setUp(self):
        super().setUp()
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 't4')
        self.image = self.create_image(hw_gpuvirt_display='true')

    def test_it_is_refused_before_any_host_is_asked(self):
        for spec in (base.PGPU, _BLIND):
            fault = self.boot_refused(spec, image_uuid=self.image)
            self.assertIn('No valid host', fault)
        self.assertEqual([0, 0], self.failed_builds())
        self.assert_agreed()

    def test_host_that_is_named_says_what_to_change(self):
        fault = self.boot_refused(
            _BLIND, image_uuid=self.image, az='nova:host1'
        )
        self.assertIn('leave gpuvirt_display out of flavor and image', fault)
        self.assertNotIn('0000:', fault)
        self.assertEqual([0, 1], sorted(self.failed_builds()))
        self.assert_agreed()

    def test_vgpu_with_a_screen_is_given(self):
        server = self.boot(base.VGPU, image_uuid=self.image)
        host = server['OS-EXT-SRV-ATTR:host']
        (hostdev,) = self.hostdevs(host, server)
        self.assertEqual('on', hostdev.get('display'))
