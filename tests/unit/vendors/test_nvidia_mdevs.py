"""NVIDIA's mdevs are counted by their types' descriptions and the command."""

import unittest
from collections import Counter

from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.vendors import nvidia_mdevs
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types


def profile(number, gib, most, available):
    """A type as its files describe it."""
    description = f'framebuffer={gib << 10}M' + (
        f', max_instance={most}' if most else ''
    )
    return profiles.parse(
        f'nvidia-{number}', f'GRID A40-{gib}Q', description, available
    )


def shared(*found, made=(), card=None):
    """The rule, and what there is room for."""
    rule, counted, _ = nvidia_mdevs.shared(
        found,
        [nvidia_places.Made(number) for number in made],
        card,
        32,
        chosen=None,
    )
    return rule, {p.framebuffer_mib >> 10: p.available for p in counted}


class TypeTest(unittest.TestCase):
    def test_number_is_in_the_name_of_a_type(self):
        self.assertEqual(474, nvidia_mdevs.number('nvidia-474'))
        for other in ('i915-GVTg_V5_4', 'nvidia-', 'nvidia-4x'):
            self.assertIsNone(nvidia_mdevs.number(other))
        self.assertTrue(nvidia_mdevs.are_nvidias(['x', 'nvidia-1']))
        self.assertFalse(nvidia_mdevs.are_nvidias(['i915-GVTg_V5_4']))


class SharedTest(unittest.TestCase):
    def test_description_caps_what_the_vfs_say_together(self):
        rule, room = shared(profile(1, 24, 2, 32), profile(2, 48, 1, 32))
        self.assertIs(size_rules.LIKELY_EQUAL_SIZE, rule)
        self.assertEqual({24: 2, 48: 1}, room)
        _, room = shared(profile(1, 24, 2, 31), profile(2, 48, 1, 0), made=[1])
        self.assertEqual({24: 1, 48: 0}, room)

    def test_one_odd_type_does_not_undo_the_equal_size_rule(self):
        odd = profiles.parse('nvidia-223', None, None, 9)
        for found in ([profile(222, 1, 16, 9)], [profile(222, 1, 16, 9), odd]):
            rule, *_ = nvidia_mdevs.shared(found, [], None, 32, chosen=None)
            self.assertIsInstance(rule, size_rules.EqualSize)

    def test_type_without_a_limit_is_what_the_driver_says(self):
        _, room = shared(profile(1, 24, None, 7), profile(2, 48, 1, 32))
        self.assertEqual({24: 7, 48: 1}, room)

    def test_command_says_how_many_a_guest_may_have(self):
        told = nvidia_types.VgpuType(
            1, 'NVIDIA A40-24Q', None, 2, 4, None, 24576
        )
        _, (found,), _ = nvidia_mdevs.shared(
            [profile(1, 24, 2, 32)],
            [],
            nvidia_smi.Card({1: told}, False, Counter(), None),
            32,
            chosen=None,
        )
        self.assertEqual((4, 4), (found.per_card, found.per_guest))
        _, (found,), _ = nvidia_mdevs.shared(
            [profile(1, 24, 2, 32)], [], None, 32, chosen=None
        )
        self.assertEqual((1, None), (found.per_card, found.per_guest))
