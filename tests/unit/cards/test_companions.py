"""What goes to a guest with a card, and what keeps the card from it."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import companions
from tests.unit import functions

_NVIDIA, _ATI, _AMD = 0x10DE, 0x1002, 0x1022

classes = st.sampled_from(
    (0x030000, 0x040300, 0x0C0330, 0x0C8000, 0x108000, 0x120000, 0x020000)
)


def function(number, vendor, code, group=1):
    return functions.function(
        model.PciAddress(0, 1, 0, number),
        vendor_id=vendor,
        class_code=code,
        iommu_group=group,
    )


class CompanionsTest(unittest.TestCase):
    def test_audio_and_usb_c_belong_to_a_card_in_whatever_group(self):
        card = function(0, _NVIDIA, 0x030000)
        others = [
            function(n, _NVIDIA, code, group=n)
            for n, code in ((1, 0x040300), (2, 0x0C0330), (3, 0x0C8000))
        ]
        self.assertEqual(tuple(others), companions.of(card, others))
        self.assertIsNone(companions.why_not_apart(card, others))

    def test_usb_of_an_apu_is_a_part_of_the_computer(self):
        card = function(0, _ATI, 0x030000)
        audio = function(1, _ATI, 0x040300, group=2)
        usb = function(3, _AMD, 0x0C0330, group=3)
        self.assertEqual((), companions.of(card, [audio, usb]))
        why = companions.why_not_apart(card, [audio, usb])
        self.assertIn('0000:01:00.3 (class 0c03', why)
        self.assertNotIn('0000:01:00.1', why)

    def test_stranger_in_the_group_of_the_card_can_not_stay(self):
        card = function(0, _ATI, 0x030000)
        usb = function(3, _AMD, 0x0C0330)
        self.assertEqual((usb,), companions.of(card, [usb]))
        self.assertIsNotNone(companions.why_not_apart(card, [usb]))

    def test_parts_of_an_fpga_belong_together(self):
        card = function(0, 0x10EE, 0x120000)
        other = function(1, 0x10EE, 0x120000, group=2)
        self.assertEqual((other,), companions.of(card, [other]))

    def test_what_shares_the_group_of_the_card_can_not_stay(self):
        card = function(0, _NVIDIA, 0x030000)
        audio = function(1, _NVIDIA, 0x040300)
        usb = function(2, _NVIDIA, 0x0C0330, group=2)
        gpu = model.Gpu(card, (audio, usb), vendor='NVIDIA', model='X')
        self.assertEqual((usb,), companions.apart(gpu))

    @given(
        st.lists(
            st.tuples(
                st.integers(1, 7),
                st.sampled_from((_ATI, _AMD)),
                classes,
                st.integers(1, 3),
            )
        )
    )
    def test_each_goes_along_or_keeps_the_card_from_guests(self, rows):
        card = function(0, _ATI, 0x030000)
        others = [function(*row) for row in rows]
        went = companions.of(card, others)
        if companions.why_not_apart(card, others) is None:
            self.assertEqual(tuple(others), went)
        for other in others:
            if other.iommu_group == card.iommu_group:
                self.assertIn(other, went)
