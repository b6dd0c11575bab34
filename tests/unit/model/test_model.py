"""Addresses and identifiers print and parse without loss."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model

addresses = st.builds(
    model.PciAddress,
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
slugs = st.from_regex(r'[a-z0-9]+(-[a-z0-9]+)*', fullmatch=True)
vgpu_slots = st.builds(
    model.Slot, st.just('mdev'), addresses, st.integers(0, 4095), slugs
)
card_sets = st.builds(
    model.CardSet.of, st.sets(addresses, min_size=2, max_size=16)
)
slots = st.one_of(
    st.builds(model.Slot, st.just(model.SET), card_sets),
    st.builds(model.Slot, st.just(model.WHOLE), addresses),
    vgpu_slots,
    st.builds(model.Slot, st.just('vendor-vfio'), addresses, profile=slugs),
    st.builds(
        model.Slot,
        st.just('api'),
        st.builds(model.RenderNode, st.integers(0, 255)),
        st.integers(0, 4095),
        slugs,
    ),
)


class PciAddressTest(unittest.TestCase):
    @given(addresses)
    def test_text_round_trips(self, address):
        self.assertEqual(address, model.PciAddress.parse(str(address)))

    def test_nvidia_smi_form_is_the_same_address(self):
        self.assertEqual(
            model.PciAddress.parse('0001:c8:00.0'),
            model.PciAddress.parse('00000001:C8:00.0'),
        )

    def test_order_is_that_of_the_bus(self):
        texts = ['0000:0a:00.0', '0000:3b:00.0', '0001:00:1f.7']
        parsed = [model.PciAddress.parse(t) for t in reversed(texts)]
        self.assertEqual(texts, [str(a) for a in sorted(parsed)])

    def test_nonsense_is_refused(self):
        for text in ('', '3b:00.0', '0000:3b:00.8', '0000:3b:20.0', 'x'):
            with self.assertRaisesRegex(ValueError, 'no PCI address'):
                model.PciAddress.parse(text)

    def test_routing_id_counts_functions_slots_and_buses(self):
        for text, number in (
            ('0000:00:00.7', 7),
            ('0001:00:01.0', 8),
            ('0000:3b:1f.2', 0x3BFA),
        ):
            address = model.PciAddress.parse(text)
            self.assertEqual(number, address.routing_id)

    def test_nodedev_is_libvirts_name(self):
        address = model.PciAddress.parse('0000:3b:00.0')
        self.assertEqual('pci_0000_3b_00_0', address.nodedev)


class SlotTest(unittest.TestCase):
    @given(slots)
    def test_text_round_trips(self, slot):
        self.assertEqual(slot, model.Slot.parse(str(slot)))

    def test_text_is_that_of_the_design(self):
        for text in (
            'passthrough:0000:3b:00.0',
            'mdev:0000:3b:00.0/3@nvidia-t4-2q',
            'sriov:0000:0c:02.1@amd-instinct-mi300x-cpx-nps4-1of8',
            'vendor-vfio:0000:41:00.5@nvidia-l40s-8q',
            'api:0000:00:02.0/2@api-session',
            'set:0000:17:00.0+0000:2a:00.0',
            'api:renderD128/2@api-session',
        ):
            self.assertEqual(text, str(model.Slot.parse(text)))

    def test_other_identifiers_are_no_slots(self):
        for text in (
            'ns_0',
            # Sets have several cards, each once, in order of address.
            'set:0000:17:00.0',
            'set:0000:2a:00.0+0000:17:00.0',
            'set:0000:17:00.0+0000:17:00.0',
            'set:0000:17:00.0+0000:2a:00.0@x',
            'passthrough:0000:17:00.0+0000:2a:00.0',
            'mdev:0000:3b:00.0',
            'passthrough:0000:3b:00.0/1@x',
            # A slot has one text; what acts on a path, a line, an option or
            # a terminal stands in none.
            'passthrough:0000:3B:00.0',
            'passthrough: 0000:3b:00.0',
            'passthrough:0000:3b:00.0\n',
            'passthrough:00000000:3b:00.0',
            'passthrough:/../../etc',
            'set:0000:17:00.0+0000:2a:00.0 ',
            'mdev:0000:3b:00.0/03@x',
            'mdev:0000:3b:00.0/٣@x',
            'mdev:0000:3b:00.0/3@../../x',
            'mdev:0000:3b:00.0/3@x\n',
            'mdev:0000:3b:00.0/3@x\r\x1b[2J',
            'mdev:0000:3b:00.0/3@--help',
            'mdev:0000:3b:00.0/3@"><x',
            f'mdev:0000:3b:00.0/{"9" * 5000}@x',
        ):
            self.assertIsNone(model.Claim('VGPU', text).slot)

    def test_identifier_is_shown_in_one_line(self):
        text = 'mdev:0000:3b:00.0/3@x\n2026-11-30 ERROR \x1b[2J'
        self.assertEqual(
            'mdev:0000:3b:00.0/3@x?2026-11-30 ERROR ?[2J',
            model.Claim('VGPU', text).shown,
        )
        text = 'passthrough:0000:3b:00.0'
        self.assertEqual(text, model.Claim('PGPU', text).shown)

    def test_a_card_has_no_index(self):
        address = model.PciAddress.parse('0000:3b:00.0')
        with self.assertRaises(ValueError):
            model.Slot(model.WHOLE, address, 1, 'x')
        with self.assertRaises(ValueError):
            model.Slot('mdev', address)


class ProfileTest(unittest.TestCase):
    def test_resource_class_is_one_that_placement_takes(self):
        profile = model.Profile('nvidia-t4-2q', 'GRID T4-2Q', 'nvidia-1', 0)
        self.assertEqual('CUSTOM_VGPU_NVIDIA_T4_2Q', profile.resource_class)

    def test_globs_fit_slug_or_name(self):
        profile = model.Profile('nvidia-t4-2q', 'GRID T4-2Q', 'nvidia-1', 0)
        for glob in ('nvidia-t4-*q', 'GRID T4-2Q', '*-2Q'):
            self.assertTrue(profile.matches(glob), glob)
        self.assertFalse(profile.matches('nvidia-t4-4q'))


class SetTest(unittest.TestCase):
    @given(card_sets)
    def test_set_takes_its_cards_whole(self, cards):
        slot = model.Slot(model.SET, cards)
        self.assertEqual(
            [model.Slot(model.WHOLE, card) for card in cards.cards],
            list(slot.wholes),
        )
        self.assertEqual(
            f'CUSTOM_GPU_SET_{len(cards.cards)}', cards.resource_class
        )

    def test_part_takes_no_card_whole(self):
        slot = model.Slot.parse('mdev:0000:3b:00.0/3@nvidia-t4-2q')
        self.assertEqual((), slot.wholes)

    @given(st.integers(0, 9999))
    def test_fabric_round_trips(self, number):
        name = model.FabricName(number)
        self.assertEqual(name, model.parse_device(str(name)))

    def test_other_names_are_no_fabrics(self):
        for text in ('fabric', 'fabric01', 'fabric-1', 'fabric0 '):
            with self.assertRaises(ValueError):
                model.parse_device(text)
