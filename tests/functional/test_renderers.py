"""Guests draw with a render node of the host, beside their console."""

from tests.functional import base

_QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'


class RendererTest(base.GpuTestCase):
    def test_opengl_on_a_card(self):
        self.flags(enabled=True, group='vnc')
        self.start_gpu_host('host1', 'gvtd')
        server = self.boot(
            base.SESSION | {'trait:HW_GPU_API_OPENGL_V4_3': 'required'}
        )
        devices = self.guest('host1', server).find('devices')
        (video,) = devices.findall('video/model')
        self.assertEqual('virtio', video.get('type'))
        self.assertEqual('yes', video.find('acceleration').get('accel3d'))
        graphics = {g.get('type'): g for g in devices.findall('graphics')}
        self.assertEqual({'vnc', 'egl-headless'}, graphics.keys())
        self.assertEqual(
            '/dev/dri/renderD128',
            graphics['egl-headless'].find('gl').get('rendernode'),
        )
        self.assertIsNone(self.guest('host1', server).find(f'{_QEMU}override'))
        self.assert_agreed()

    def test_card_is_drawn_with_or_given_whole(self):
        host = self.start_gpu_host('host1', 'gvtd')
        before = host.snapshot()
        session = self.boot(base.SESSION)
        self.boot_refused(base.PGPU)
        self._delete_server(session)
        whole = self.boot(base.PGPU)
        self.boot_refused(base.SESSION)
        self.assert_agreed()
        self._delete_server(whole)
        self.assertEqual(before, host.snapshot())

    def test_vulkan_is_the_operators_to_allow(self):
        self.start_gpu_host('host1', 'vgem')
        (provider,) = self.gpu_providers('host1').values()
        self.assertNotIn('HW_GPU_API_VULKAN', provider['traits'])

    def test_vulkan_where_everything_is_new_enough(self):
        self.flags(api_vulkan=True, group='gpuvirt')
        self.start_gpu_host('host1', 'vgem')
        (provider,) = self.gpu_providers('host1').values()
        self.assertIn('HW_GPU_API_VULKAN', provider['traits'])
        guest = self.guest(
            'host1',
            self.boot(base.SESSION | {'trait:HW_GPU_API_VULKAN': 'required'}),
        )
        properties = {
            p.get('name'): p.get('value')
            for p in guest.iter(f'{_QEMU}property')
        }
        self.assertEqual(
            {'blob': 'true', 'hostmem': str(8 << 30), 'venus': 'true'},
            properties,
        )
        self.assertIsNotNone(guest.find('memoryBacking/source'))
        self.assert_agreed()

    def test_as_many_as_the_operator_says(self):
        self.flags(api_sessions=2, group='gpuvirt')
        self.start_gpu_host('host1', 'vgem')
        servers = self.boot_many(base.SESSION, 2)
        self.boot_refused(base.SESSION)
        self.assert_agreed()
        self._delete_server(servers[0])
        self.boot(base.SESSION)

    def test_none_where_the_operator_wants_none(self):
        self.flags(api_sessions=0, group='gpuvirt')
        self.start_gpu_host('host1', 'vgem')
        self.assertEqual({}, self.gpu_providers('host1'))

    def test_two_sessions_are_not_for_one_guest(self):
        self.start_gpu_host('host1', 'vgem')
        self.boot_refused({'resources:CUSTOM_GPU_API_SESSION': '2'})
        self.assert_agreed()
