"""A served card's config space is a PCI Express one."""

import unittest

from lab.host.vfio_user import config_space

_T4 = config_space.Identity(
    vendor=0x10DE,
    device=0x1EB8,
    subsystem_vendor=0x10DE,
    subsystem_device=0x12A2,
    class_code=0x030200,
    revision=0xA1,
    link_speed=3,
)
_BARS = (
    config_space.Bar(0, 16 << 20),
    config_space.Bar(1, 256 << 20, wide=True),
)
_ALL = b'\xff' * 4


class ConfigSpaceTest(unittest.TestCase):
    def setUp(self):
        self.config = config_space.ConfigSpace(_T4, _BARS)

    def number(self, offset, size):
        return int.from_bytes(self.config.read(offset, size), 'little')

    def capability(self, wanted):
        """Follow the list of capabilities as a kernel does."""
        offset = self.number(0x34, 1)
        while offset and self.number(offset, 1) != wanted:
            offset = self.number(offset + 1, 1)
        return offset

    def test_the_numbers_are_the_cards(self):
        self.assertEqual(0x10DE, self.number(0x0, 2))
        self.assertEqual(0x1EB8, self.number(0x2, 2))
        self.assertEqual(0x0302_00A1, self.number(0x8, 4))
        self.assertEqual(0x12A2, self.number(0x2E, 2))

    def test_the_numbers_can_not_be_written(self):
        before = self.config.read(0, 4)
        self.config.write(0, _ALL)
        self.assertEqual(before, self.config.read(0, 4))

    def test_a_bar_answers_ones_with_its_size(self):
        self.config.write(0x10, _ALL)
        self.assertEqual(-(16 << 20) & 0xFFFFFFFF, self.number(0x10, 4))
        self.config.write(0x14, _ALL)
        self.config.write(0x18, _ALL)
        size = -(256 << 20) & (1 << 64) - 1
        self.assertEqual(size | 0xC, self.number(0x14, 8))

    def test_a_bar_that_is_not_there_stays_zero(self):
        self.config.write(0x1C, _ALL)
        self.assertEqual(0, self.number(0x1C, 4))

    def test_it_is_an_endpoint_that_can_be_reset(self):
        express = self.capability(0x10)
        self.assertEqual(0, self.number(express + 2, 2) >> 4 & 0xF)
        self.assertTrue(self.number(express + 4, 4) & 1 << 28)

    def test_its_link_runs_at_full_speed(self):
        express = self.capability(0x10)
        self.assertEqual(0x103, self.number(express + 0xC, 4) & 0x3FF)
        self.assertEqual(0x103, self.number(express + 0x12, 2) & 0x3FF)

    def test_only_the_reset_bit_asks_for_a_reset(self):
        control = self.capability(0x10) + 8
        self.assertFalse(self.config.write(control, b'\xff\x7f'))
        self.assertFalse(self.config.write(control + 2, b'\x00\x80'))
        self.assertTrue(self.config.write(control, b'\x00\x80'))
        self.assertTrue(self.config.write(control + 1, b'\x80'))
        self.assertFalse(self.number(control, 2) & 0x8000)

    def test_a_reset_forgets_what_was_written(self):
        self.config.write(0x4, b'\x06\x00')
        self.assertEqual(0x6, self.number(0x4, 2))
        self.config.reset()
        self.assertEqual(0, self.number(0x4, 2))

    def test_errors_can_be_reported_and_masked(self):
        self.assertEqual(0x0001, self.number(0x100, 2))
        mask = 0x100 + 0x8
        self.config.write(mask, b'\x10\x00\x00\x00')
        self.assertEqual(0x10, self.number(mask, 4))

    def test_beyond_the_end_there_is_nothing(self):
        self.assertEqual(bytes(4), self.config.read(config_space.SIZE, 4))
