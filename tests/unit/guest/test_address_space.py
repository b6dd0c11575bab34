"""Large BARs have room above a guest's memory, or the guest is refused."""

import unittest

from hypothesis import given
from hypothesis import strategies as st
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt.guest import address_space

_MIB = 1 << 20
_GIB = 1 << 30
# The first libvirt that can widen a guest's addresses.
_NEW = 8_007_000

sizes = st.integers(4, 46).map(lambda bits: 1 << bits)


class WindowTest(unittest.TestCase):
    @given(st.lists(sizes, max_size=20))
    def test_it_holds_the_bars_and_is_not_twice_too_large(self, bars):
        size = address_space.window(bars)
        self.assertGreaterEqual(size, sum(bars))
        self.assertLessEqual(size, max(2 * sum(bars) - 1, 0))

    @given(st.lists(sizes, min_size=1))
    def test_it_is_a_power_of_two(self, bars):
        self.assertEqual(1, address_space.window(bars).bit_count())

    @given(st.lists(sizes), st.data())
    def test_order_and_absent_bars_do_not_matter(self, bars, data):
        other = data.draw(st.permutations([*bars, 0, 0]))
        self.assertEqual(
            address_space.window(bars), address_space.window(other)
        )

    def test_examples(self):
        for bars, size in (
            ([], 0),
            ([16 * _MIB, 0, 32 * _GIB, 32 * _MIB], 64 * _GIB),
            ([64 * _GIB] * 4, 256 * _GIB),
            # What bridges keep for three cards of 128 GiB and registers.
            ([256 * _GIB] * 3, 1024 * _GIB),
        ):
            self.assertEqual(size, address_space.window(bars))


class BitsTest(unittest.TestCase):
    @given(st.integers(1, 1 << 46), sizes)
    def test_an_aligned_window_fits_above_the_memory(self, memory, size):
        end = 1 << address_space.bits_needed(memory, size)
        start = (end - size) // size * size
        self.assertGreaterEqual(start, memory + 4 * _GIB)

    @given(st.integers(1, 1 << 46), sizes)
    def test_a_bit_less_is_too_few(self, memory, size):
        end = 1 << address_space.bits_needed(memory, size) - 1
        start = (end - size) // size * size
        self.assertLess(start, memory + 4 * _GIB)

    def test_examples(self):
        for memory, size, bits in (
            (4, 64, 37),
            (60, 64, 37),
            (61, 64, 38),
            (1024, 1024, 42),
        ):
            self.assertEqual(
                bits, address_space.bits_needed(memory * _GIB, size * _GIB)
            )


class WidenTest(unittest.TestCase):
    def setUp(self):
        self.start('pc')

    def start(self, machine):
        self.guest = vconfig.LibvirtConfigGuest()
        self.guest.memory = 4 << 20
        self.guest.os_arch = 'x86_64'
        self.guest.os_mach_type = machine
        self.guest.cpu = vconfig.LibvirtConfigGuestCPU()

    def choose(self, mode, bits=None):
        self.guest.cpu.maxphysaddr = vconfig.LibvirtConfigGuestCPUMaxPhysAddr()
        self.guest.cpu.maxphysaddr.mode = mode
        self.guest.cpu.maxphysaddr.bits = bits

    def widen(self, *bars, processor=46, iommu=None, libvirt=_NEW):
        address_space.widen(
            self.guest,
            bars,
            physical_bits=processor,
            iommu_bits=iommu,
            libvirt_version=libvirt,
        )
        return [d.format_dom() for d in self.guest.devices]

    def assert_width(self, **expected):
        width = self.guest.cpu.maxphysaddr
        self.assertEqual(expected, dict(width.format_dom().attrib))

    def assert_refused(self, found, kind=exception.PrepareFailed, **kwargs):
        with self.assertRaises(kind) as caught:
            self.widen(128 * _GIB, **kwargs)
        self.assertIn('wanted addresses of 38 bits', str(caught.exception))
        self.assertIn('128 GiB', str(caught.exception))
        self.assertIn(f'found {found}', str(caught.exception))
        self.assertEqual([], self.guest.devices)

    def test_small_bars_leave_the_guest_as_it_is(self):
        for machine, size in ((None, 2), ('pc', 2), ('q35', 32)):
            self.start(machine)
            self.assertEqual([], self.widen(size * _GIB, libvirt=0))
            self.assertIsNone(self.guest.cpu.maxphysaddr)

    def test_large_bars_widen_the_root(self):
        for machine, size, root in (
            (None, 4, 'pci-root'),
            ('pc', 4, 'pci-root'),
            ('pc-q35-9.2', 64, 'pcie-root'),
        ):
            self.start(machine)
            (controller,) = self.widen(size * _GIB)
            self.assertEqual(
                {'type': 'pci', 'index': '0', 'model': root},
                dict(controller.attrib),
            )
            (hole,) = controller
            self.assertEqual('pcihole64', hole.tag)
            self.assertEqual('KiB', hole.get('unit'))
            self.assertEqual(size * _GIB, int(hole.text) << 10)

    def test_root_that_nova_added_is_replaced(self):
        self.start('q35')
        self.guest.add_device(vconfig.LibvirtConfigGuestPCIeRootController())
        port = vconfig.LibvirtConfigGuestPCIeRootPortController()
        self.guest.add_device(port)
        root, *_ = self.widen(64 * _GIB)
        self.assertIsNotNone(root.find('pcihole64'))
        self.assertEqual([port], self.guest.devices[1:])

    def test_guest_sees_the_width_of_the_processor(self):
        for iommu in (None, 46, 57):
            self.start('pc')
            self.widen(64 * _GIB, iommu=iommu)
            self.assert_width(mode='emulate', bits='46')

    def test_guest_sees_the_width_of_a_narrower_iommu(self):
        self.widen(64 * _GIB, iommu=39)
        self.assert_width(mode='emulate', bits='39')

    def test_guest_sees_what_it_needs_where_the_host_is_unknown(self):
        for iommu in (None, 39):
            self.start('pc')
            self.widen(64 * _GIB, processor=None, iommu=iommu)
            self.assert_width(mode='emulate', bits='37')

    def test_guest_without_a_cpu_gets_one(self):
        self.guest.cpu = None
        self.widen(64 * _GIB)
        self.assert_width(mode='emulate', bits='46')

    def test_wide_choice_of_the_flavor_stays(self):
        for mode, bits in (('emulate', 38), ('passthrough', None)):
            self.start('pc')
            self.choose(mode, bits)
            chosen = self.guest.cpu.maxphysaddr
            self.assertEqual(1, len(self.widen(128 * _GIB, libvirt=0)))
            self.assertIs(chosen, self.guest.cpu.maxphysaddr)

    def test_narrow_choice_of_the_flavor_is_refused(self):
        self.choose('emulate', 37)
        self.assert_refused(
            'hw:maxphysaddr_bits=37', exception.RequestImpossible
        )

    def test_choice_that_is_wider_than_the_host_is_refused(self):
        self.choose('emulate', 47)
        self.assert_refused(
            'hw:maxphysaddr_bits=47 in flavor or image, and 46',
            exception.RequestImpossible,
        )

    def test_host_of_just_the_width_does(self):
        self.assertEqual(1, len(self.widen(128 * _GIB, processor=38)))

    def test_narrow_host_is_refused(self):
        for processor, iommu, found in (
            (37, None, '37 bits on this host (processor 37, IOMMU unknown)'),
            (46, 37, '37 bits on this host (processor 46, IOMMU 37)'),
            (None, 37, '37 bits on this host (processor unknown, IOMMU 37)'),
        ):
            self.assert_refused(found, processor=processor, iommu=iommu)

    def test_libvirt_that_can_not_widen(self):
        self.widen(512 * _GIB, libvirt=8_006_000)
        self.assertIsNone(self.guest.cpu.maxphysaddr)
        with self.assertRaises(exception.PrepareFailed) as caught:
            self.widen(1024 * _GIB, libvirt=8_006_000)
        self.assertIn('found libvirt 8006000', str(caught.exception))
        self.guest.cpu.mode = 'host-passthrough'
        self.assertEqual(1, len(self.widen(1024 * _GIB, libvirt=8_006_000)))

    def test_arm_places_its_window_by_itself(self):
        for arch in ('aarch64', None):
            self.start('virt')
            self.guest.os_arch = arch
            for bars in ([64 * _GIB], [256 * _GIB, 2 * _MIB], [512 * _GIB]):
                self.assertEqual([], self.widen(*bars, processor=None))

    def test_window_of_arm_has_an_end(self):
        for arch in ('aarch64', None):
            for bars in ([256 * _GIB] * 4, [256 * _GIB, 2 * _MIB] * 2):
                self.start('virt-9.0')
                self.guest.os_arch = arch
                with self.assertRaises(exception.PrepareFailed) as caught:
                    self.widen(*bars, processor=48)
                self.assertIn('a window of 1024 GiB', str(caught.exception))
                self.assertIn('found 512 GiB', str(caught.exception))
                self.assertEqual([], self.guest.devices)

    def test_other_machines_are_left_alone(self):
        self.start('virt')
        self.guest.os_arch = 'riscv64'
        self.assertEqual([], self.widen(*[256 * _GIB] * 4))
