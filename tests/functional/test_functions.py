"""PCI functions stand in the guest as their drivers need it."""

from tests.functional import base

_QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'


class FunctionTest(base.GpuTestCase):
    def test_large_bars_get_room(self):
        self.start_gpu_host('host1', 'h100')
        guest = self.guest('host1', self.boot(base.PGPU))
        window = int(guest.findtext('.//pcihole64')) << 10
        self.assertGreaterEqual(window, 128 << 30)
        self.assertEqual('emulate', guest.find('cpu/maxphysaddr').get('mode'))

    def test_large_bars_that_find_no_room_are_refused(self):
        host = self.start_gpu_host('host1', 'h100')
        cpuinfo = host.root / 'proc/cpuinfo'
        cpuinfo.chmod(0o644)
        cpuinfo.write_text('address sizes\t: 37 bits physical, 48 virtual\n')
        self.boot_refused(base.PGPU)
        self.assertIn('found 37 bits on this host', self.log())
        self.assert_agreed()

    def test_variant_driver_that_can_migrate(self):
        self.start_gpu_host('host1', 'b60')
        server = self.boot(base.VGPU)
        (hostdev,) = self.hostdevs('host1', server)
        self.assertEqual('xe-vfio-pci', hostdev.find('driver').get('model'))
        self.assert_agreed()

    def test_usual_driver_where_there_is_no_other(self):
        self.start_gpu_host('host1', 'b50')
        server = self.boot(base.VGPU)
        (hostdev,) = self.hostdevs('host1', server)
        self.assertIsNone(hostdev.find('driver'))
        self.assert_agreed()

    def test_integrated_gpu_is_where_its_driver_looks(self):
        self.start_gpu_host('host1', 'gvtd')
        server = self.boot(base.PGPU)
        (hostdev,) = self.hostdevs('host1', server)
        place = hostdev.find('address')
        self.assertEqual(
            ('0x00', '0x02'), (place.get('bus'), place.get('slot'))
        )
        (video,) = self.guest('host1', server).findall('devices/video/model')
        self.assertEqual('none', video.get('type'))

    def test_integrated_gpu_on_q35_has_its_opregion(self):
        self.flags(hw_machine_type='x86_64=q35', group='libvirt')
        self.start_gpu_host('host1', 'gvtd')
        guest = self.guest('host1', self.boot(base.PGPU))
        (option,) = guest.iter(f'{_QEMU}property')
        self.assertEqual('x-igd-opregion', option.get('name'))

    def test_boot_vga_only_when_the_operator_says_so(self):
        self.start_gpu_host('host1', 'gvtg')
        self.assertEqual({}, self.totals('host1', 'PGPU'))
        self.flags(boot_vga=['0000:00:02.0'], group='gpuvirt')
        self.restart_compute_service('host1')
        self.assertEqual({'0000:00:02.0': 1}, self.totals('host1', 'PGPU'))
        self.boot(base.PGPU)
        self.assert_agreed()

    def test_cards_of_a_set_stand_as_on_the_host(self):
        self.flags(hw_machine_type='x86_64=q35', group='libvirt')
        self.start_gpu_host('host1', 'a16')
        server = self.boot({'resources:CUSTOM_GPU_SET_8': '1'})
        guest = self.guest('host1', server)
        expanders = {
            int(e.get('index'))
            for e in guest.iter('controller')
            if e.get('model') == 'pcie-expander-bus'
        }
        self.assertEqual(2, len(expanders))
        ports = {
            int(e.get('index')): int(e.find('address').get('bus'), 16)
            for e in guest.iter('controller')
            if e.find('address') is not None
        }
        for hostdev in self.hostdevs('host1', server):
            bus = int(hostdev.find('address').get('bus'), 16)
            self.assertIn(ports[bus], expanders)
        self.assert_agreed()
