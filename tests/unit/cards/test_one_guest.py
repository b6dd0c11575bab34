"""What one guest may have together is what NVIDIA's guide says."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import one_guest
from tests.unit import functions

_CARD = model.PciAddress.parse('0000:3b:00.0')


def vgpu(card='a', count=1, board='L40S', series='Q', **limits):
    """vGPUs of NVIDIA that a guest has of one card."""
    return one_guest.Held(
        card, 'NVIDIA', board, count, 'mdev', series=series, **limits
    )


def whole(card='w', vendor='NVIDIA'):
    """A card that a guest has whole."""
    return one_guest.Held(card, vendor, 'H100')


def other(card='a', way='sriov', count=1, per_card=None):
    """Parts of a card that are not NVIDIA's."""
    return one_guest.Held(card, 'Intel', 'Flex 140', count, way, per_card)


class RefusalTest(unittest.TestCase):
    def assert_refused(self, words, *held):
        self.assertIn(words, one_guest.refusal(held) or 'nothing')

    def assert_allowed(self, *held):
        self.assertIsNone(one_guest.refusal(held))

    def test_limit_is_of_one_card_and_one_way(self):
        self.assert_allowed(other(count=9))
        self.assert_allowed(other(way='api', per_card=1), other(count=3))
        self.assert_allowed(*(other(c, per_card=1) for c in 'ab'))
        self.assert_refused(
            'a gives 1 of its parts to one guest, 2 are wanted',
            *2 * [other(per_card=1)],
        )

    def test_smallest_limit_of_a_card_counts(self):
        self.assert_refused(
            'a gives 1 of its parts to one guest, 2 are wanted',
            vgpu(per_card=16),
            vgpu(per_card=1),
        )

    def test_limit_of_a_guest_counts_on_all_cards(self):
        limits = {'per_card': 2, 'per_guest': 2}
        self.assert_allowed(vgpu('a', **limits), vgpu('b', **limits))
        self.assert_refused(
            'has 2 of them at most, 3 are wanted',
            vgpu('a', **limits),
            vgpu('b', 2, **limits),
        )

    def test_untold_limit_is_one_of_each_card(self):
        self.assert_allowed(vgpu('a', per_card=1), vgpu('b', per_card=1))

    def test_board_and_series_are_one(self):
        self.assert_refused('L40S B and L40S Q', vgpu(), vgpu(series='B'))
        self.assert_refused('L40S Q and T4 Q', vgpu(), vgpu('b', board='T4'))
        self.assert_allowed(vgpu(), other('b'))

    def test_no_vgpu_beside_a_whole_card_of_nvidia(self):
        self.assert_refused('that has w whole', vgpu(), whole())
        self.assert_allowed(vgpu(), whole(vendor='AMD'))
        self.assert_allowed(other('b'), whole())
        self.assert_allowed(whole(), whole('x'))


class VendorTest(unittest.TestCase):
    def test_nvidia_is_known_where_no_file_names_it(self):
        # A container need not have pci.ids: then a name is the number.
        for vendor_id, name, vendor in (
            (0x10DE, '10de', 'NVIDIA'),
            (0x10DE, 'NVIDIA', 'NVIDIA'),
            (0x1002, '1002', '1002'),
        ):
            function = functions.function(_CARD, vendor_id=vendor_id)
            gpu = model.Gpu(function, (), vendor=name, model='x')
            self.assertEqual(vendor, one_guest.vendor_of(gpu))
