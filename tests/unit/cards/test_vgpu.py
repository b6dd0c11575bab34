"""A vGPU's UUID tells its slot, and differs from instance to instance."""

import unittest
import uuid

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from tests.unit.model import test_model

_ADDRESS = model.PciAddress.parse('0000:3b:00.0')


class VgpuTest(unittest.TestCase):
    @given(test_model.vgpu_slots, st.uuids())
    def test_slot_is_read_from_the_uuid(self, slot, instance):
        made = vgpu.uuid_of(slot, str(instance))
        self.assertEqual(8, made.version)
        self.assertEqual(uuid.RFC_4122, made.variant)
        self.assertEqual(
            slot, vgpu.slot_of(made, slot.kind, slot.device, slot.profile)
        )

    @given(test_model.vgpu_slots, st.uuids(), st.uuids())
    def test_a_repeat_finds_its_own(self, slot, one, other):
        same = vgpu.uuid_of(slot, str(one)) == vgpu.uuid_of(slot, str(other))
        self.assertEqual(one == other, same)

    @given(st.uuids(version=4))
    def test_the_vgpus_of_others_are_not_ours(self, foreign):
        self.assertIsNone(
            vgpu.slot_of(foreign, 'mdev', _ADDRESS, 'nvidia-t4-2q')
        )

    def test_another_cards_vgpu_is_not_this_cards(self):
        slot = model.Slot('mdev', _ADDRESS, 0, 'nvidia-t4-2q')
        made = vgpu.uuid_of(slot, 'an-instance')
        other = model.PciAddress.parse('0000:5e:00.0')
        self.assertIsNone(vgpu.slot_of(made, slot.kind, other, slot.profile))
        self.assertIsNone(
            vgpu.slot_of(made, slot.kind, _ADDRESS, 'nvidia-t4-4q')
        )
