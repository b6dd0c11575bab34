"""The place of a vGPU is chosen beside those that exist."""

import unittest

from nova_gpuvirt.vendors import nvidia_places
from tests.unit.vendors import test_nvidia_rules


class ChooseTest(unittest.TestCase):
    def test_place_is_chosen_beside_the_others(self):
        told = test_nvidia_rules.card(
            test_nvidia_rules.ON_THE_CARD, mixed=True
        )
        for others, start in (((), 0), ((72,), 48), ((24,), 0)):
            beside = [
                test_nvidia_rules.made(24, None, other) for other in others
            ]
            found = nvidia_places.choose(told, beside, 24)
            self.assertEqual(start, found.start)
        self.assertIsNone(
            nvidia_places.choose(
                test_nvidia_rules.card(test_nvidia_rules.ON_THE_CARD), (), 24
            )
        )
        self.assertIsNone(nvidia_places.choose(told, (), 99))

    def test_gpu_instance_is_chosen_too(self):
        told = test_nvidia_rules.card(
            test_nvidia_rules.IN_INSTANCES,
            instances={47: 2},
            mixed_instances={3: 47, 5: 47},
        )
        found = nvidia_places.choose(
            told, [test_nvidia_rules.made(6, 5, 0)], 6
        )
        self.assertEqual((5, 6), (found.gpu_instance, found.start))

    def test_only_another_place_is_a_move(self):
        told = test_nvidia_rules.card(
            test_nvidia_rules.IN_INSTANCES,
            instances={47: 2},
            mixed_instances={3: 47, 5: 47},
        )
        other = test_nvidia_rules.made(6, 5, 0)
        for now, expected in (
            ((5, 6), None),
            ((5, 12), nvidia_places.Move(None, 6)),
            ((3, 0), nvidia_places.Move(5, 6)),
        ):
            mine = test_nvidia_rules.made(6, *now)
            self.assertEqual(expected, nvidia_places.move(told, mine, [other]))
        for stays in (
            test_nvidia_rules.made(None, 3, 0),
            test_nvidia_rules.made(6, 4),
        ):
            self.assertIsNone(nvidia_places.move(told, stays, [other]))

    def test_what_is_beyond_any_card_is_not_known(self):
        far = 10**18
        made = nvidia_places.Made(24, far, far)
        self.assertEqual((None, None), (made.gpu_instance, made.placement))
        types = ((24, 'NVIDIA X-24Q', None, 4, 24, (0, far)),)
        told = test_nvidia_rules.card(types, mixed=True)
        found = nvidia_places.places(told, [made], 24)
        self.assertEqual([0], [place.start for place in found])
        types = ((24, 'NVIDIA X-24Q', None, 4, far, (0,)),)
        told = test_nvidia_rules.card(types, mixed=True)
        self.assertEqual((), nvidia_places.places(told, [made], 24))

    def test_type_that_is_larger_than_any_card_takes_nothing(self):
        types = (
            *((6, 'NVIDIA X-6Q', None, 2, 6, (0, 6)),),
            *((24, 'NVIDIA X-24Q', None, 4, 10**18, (0,)),),
        )
        told = test_nvidia_rules.card(types, mixed=True)
        made = test_nvidia_rules.made(24, None, 0)
        found = nvidia_places.places(told, [made], 6)
        self.assertEqual([0, 6], [place.start for place in found])

    def test_gpu_instance_that_no_card_has_is_none(self):
        told = test_nvidia_rules.card(
            test_nvidia_rules.IN_INSTANCES,
            instances={47: 2},
            mixed_instances={3: 47, 10**18: 47},
        )
        found = nvidia_places.places(told, (), 12)
        self.assertEqual([3, 3], [place.gpu_instance for place in found])
