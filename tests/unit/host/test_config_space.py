"""A configuration space is read, whatever a device answers, and compared."""

import pathlib
import struct

import fixtures
import hypothesis
import testtools
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.host import config_space
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation import sickness

_H100 = model.PciAddress.parse('0000:1b:00.0')
_PF = model.PciAddress.parse('0000:17:00.0')
_VF = model.PciAddress.parse('0000:17:00.1')


@st.composite
def spaces(draw):
    """Make a space whose chains lead anywhere."""
    size = draw(st.sampled_from((64, 128, 255, 256, 300, 4095, 4096)))
    fill = draw(st.sampled_from((b'\0', b'\xff', b'\x40', b'\x10')))
    raw = bytearray(fill * size)
    for place, value in draw(
        st.lists(
            st.tuples(st.integers(0, size - 1), st.integers(0, 255)),
            max_size=60,
        )
    ):
        raw[place] = value
    if draw(st.booleans()):
        raw[6] |= 0x10
    return bytes(raw)


class HostileTest(testtools.TestCase):
    @hypothesis.settings(deadline=None)
    @hypothesis.given(st.one_of(spaces(), st.binary(min_size=64)))
    def test_any_bytes_are_read_and_print_as_what_is_like_itself(self, raw):
        space = config_space.parse(raw)
        text = config_space.text(space)
        self.assertNotIn('\n', text)
        self.assertEqual((), config_space.differences(text, text))
        self.assertEqual(len(raw) >= 256, space.capabilities is not None)
        self.assertEqual(len(raw) >= 4096, space.extended is not None)
        for chain, size in ((space.capabilities, 256), (space.extended, 4096)):
            places = [found[-1] for found in chain or ()]
            self.assertEqual(len(places), len({*places}))
            for place in places:
                self.assertTrue(64 <= place < size and place % 4 == 0)

    @hypothesis.settings(deadline=None)
    @hypothesis.given(spaces(), spaces())
    def test_two_differ_in_words_or_are_the_same(self, one, other):
        spaces_ = [config_space.parse(raw) for raw in (one, other)]
        texts = [config_space.text(space) for space in spaces_]
        if '?' not in ''.join(texts):
            self.assertEqual(
                texts[0] != texts[1], bool(config_space.differences(*texts))
            )

    @hypothesis.given(st.binary(max_size=63))
    def test_less_than_a_header_is_none(self, raw):
        self.assertRaises(ValueError, config_space.parse, raw)
        self.assertFalse(config_space.is_all_ones(raw))

    @hypothesis.given(st.text())
    def test_other_texts_are_refused(self, text):
        own = config_space.text(config_space.parse(bytes(64)))
        for pair in ((text, own), (own, text)):
            self.assertRaises(ValueError, config_space.differences, *pair)


class ParseTest(testtools.TestCase):
    def test_chains_are_in_their_order_and_a_loop_ends(self):
        raw = bytearray(4096)
        raw[6], raw[0x34] = 0x10, 0x60
        raw[0x60:0x62] = 0x01, 0x50
        raw[0x50:0x52] = 0x10, 0x62  # to the first: 2 bits do not count
        struct.pack_into('<I', raw, 0x100, 0x0E | 2 << 16 | 0x400 << 20)
        struct.pack_into('<I', raw, 0x400, 0x10 | 1 << 16 | 0x100 << 20)
        space = config_space.parse(bytes(raw))
        self.assertEqual(((0x01, 0x60), (0x10, 0x50)), space.capabilities)
        self.assertEqual(((0x0E, 2, 0x100), (0x10, 1, 0x400)), space.extended)
        raw[6] = 0
        self.assertEqual((), config_space.parse(bytes(raw)).capabilities)

    def test_bridge_has_two_bars_and_no_subsystem(self):
        raw = bytearray(64)
        raw[0x0E] = 0x81
        raw[0x18] = raw[0x2C] = 7
        space = config_space.parse(bytes(raw))
        self.assertEqual((1, (0, 0)), (space.header_type, space.subsystem))
        self.assertEqual((0, 0), space.bars)


class DifferencesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('h100', place)
        self.sysfs = sysfs.Sysfs(place, root.Root(self.host))
        self.sickness = sickness.Sickness(self.host, str(_H100))

    def text(self):
        space = config_space.parse(self.sysfs.config_space(_H100))
        return config_space.text(space)

    def after_reset(self):
        before = self.text()
        self.sysfs.reset_function(_H100)
        return config_space.differences(before, self.text())

    def test_good_reset_and_another_driver_change_nothing(self):
        self.assertEqual((), self.after_reset())
        before = self.text()
        self.host.write('/sys/bus/pci/drivers/vfio-pci/unbind', str(_H100))
        self.assertEqual(before, self.text())

    def test_command_status_rom_and_interrupt_line_do_not_count(self):
        raw = bytearray(self.sysfs.config_space(_H100))
        before = config_space.text(config_space.parse(bytes(raw)))
        for place, value in (
            (0x04, 0x07),
            (0x07, 0xF9),
            (0x0C, 16),
            (0x30, 0x01),
            (0x3C, 0xFF),
        ):
            raw[place] = value
        after = config_space.text(config_space.parse(bytes(raw)))
        self.assertEqual(before, after)

    def test_lost_bar_is_told_with_both_values(self):
        self.sickness.reset_breaks('bars')
        (found,) = self.after_reset()
        self.assertRegex(
            found, r'^BAR \d was 0x[0-9a-f]{8} and is 0x00000000$'
        )

    def test_lost_capabilities_are_told_by_name(self):
        self.sickness.reset_breaks('capabilities')
        self.assertIn(
            'capability 10 (PCI Express) at 0x78 is gone', self.after_reset()
        )

    def test_extended_capabilities_are_told_by_name(self):
        raw = bytearray(self.sysfs.config_space(_H100))
        before = config_space.text(config_space.parse(bytes(raw)))
        raw[0x100:0x104] = bytes(4)
        after = config_space.text(config_space.parse(bytes(raw)))
        self.assertIn(
            'extended capability 0002 (Virtual Channel), version 1, at 0x100 '
            'is gone',
            config_space.differences(before, after),
        )

    def test_what_is_not_known_is_not_compared(self):
        raw = self.sysfs.config_space(_H100)
        texts = [
            config_space.text(config_space.parse(raw[:size]))
            for size in (64, 256, 4096)
        ]
        for one in texts:
            for other in texts:
                self.assertEqual((), config_space.differences(one, other))

    def test_all_is_told_of_another_device(self):
        one = config_space.parse(bytes(64))
        raw = bytearray(64)
        raw[:4], raw[9], raw[0x2C] = b'\xde\x10\x01\x23', 3, 1
        found = config_space.differences(
            config_space.text(one),
            config_space.text(config_space.parse(bytes(raw))),
        )
        self.assertEqual(
            (
                'vendor id was 0x0000 and is 0x10de',
                'device id was 0x0000 and is 0x2301',
                'subsystem was 0000:0000 and is 0001:0000',
                'class was 0x000000 and is 0x000003',
            ),
            found,
        )


class VfTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('b50', self.place)
        self.sysfs = sysfs.Sysfs(self.place, root.Root(self.host))

    def test_vf_has_ids_of_ones_and_no_bars_and_is_there(self):
        raw = self.sysfs.config_space(_VF)
        space = config_space.parse(raw)
        self.assertEqual((0xFFFF, 0xFFFF), (space.vendor, space.device))
        self.assertEqual((0,) * 6, space.bars)
        self.assertFalse(config_space.is_all_ones(raw))
        self.assertTrue(config_space.is_all_ones(b'\xff' * 4096))

    def test_pf_has_its_bars_where_resource_has_them(self):
        space = config_space.parse(self.sysfs.config_space(_PF))
        first = self.sysfs.read(_PF, 'resource').split()[0]
        register = space.bars[0] & ~0xF | space.bars[1] << 32
        self.assertEqual(int(first, 16), register)
        self.assertIn(0x10, [number for number, _, _ in space.extended])

    def test_without_root_it_is_the_header(self):
        seen = sysfs.Sysfs(self.place)
        self.assertEqual(
            self.sysfs.config_space(_PF)[:64], seen.config_space(_PF)
        )
        gone = model.PciAddress.parse('0000:ff:00.0')
        self.assertIsNone(seen.config_space(gone))
        self.assertIsNone(self.sysfs.config_space(gone))
        for change in (
            lambda: seen.reset_function(_PF),
            lambda: seen.reset_bus([_PF]),
        ):
            self.assertRaises(PermissionError, change)
