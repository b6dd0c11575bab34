"""What is claimed and not made yet is taken from what a driver offers."""

import unittest
from collections import Counter

from nova_gpuvirt import model
from nova_gpuvirt.cards import size_rules

_EQUAL = size_rules.EQUAL_SIZE


def profile(slug, available, mib=1024, most=None, needs=()):
    return model.Profile(
        slug,
        slug,
        slug,
        available,
        max_instances=most,
        framebuffer_mib=mib,
        needs=needs,
    )


def left(rule, profiles, *pending):
    return rule.left(profiles, Counter(pending))


class UnknownTest(unittest.TestCase):
    """A pending part that no profile stands for may take the whole card."""

    PROFILES = (
        profile('small', 8, 1024, 8, (1, 1, 1)),
        profile('large', 4, 2048, 4, (2, 2, 2)),
    )

    def test_unknown_pending_part_leaves_nothing(self):
        for rule in (
            _EQUAL,
            size_rules.APERTURE,
            size_rules.PROPORTIONAL,
            size_rules.ONE_AT_A_TIME,
            size_rules.GpuInstances({'small': 1, 'large': 2}),
            size_rules.Apart(dict.fromkeys(('small', 'large'), _EQUAL)),
        ):
            self.assertEqual(
                {'small': 0, 'large': 0},
                left(rule, self.PROFILES, 'unheard-of'),
                rule,
            )

    def test_parts_that_take_nothing_from_each_other_stay(self):
        self.assertEqual(
            {'small': 8, 'large': 4},
            left(size_rules.INDEPENDENT, self.PROFILES, 'unheard-of'),
        )


class IndependentTest(unittest.TestCase):
    def test_more_pending_than_there_are_leave_none(self):
        self.assertEqual(
            {'a': 0, 'b': 2},
            left(
                size_rules.INDEPENDENT,
                (profile('a', 1), profile('b', 2)),
                *('a', 'a'),
            ),
        )


class ApartTest(unittest.TestCase):
    def test_what_is_pending_counts_with_its_own_rule_alone(self):
        rule = size_rules.Apart(
            {
                'a': _EQUAL,
                'b': _EQUAL,
                'c': size_rules.INDEPENDENT,
            }
        )
        profiles = (
            profile('a', 4, 1024),
            profile('b', 2, 2048),
            profile('c', 3, 4096),
        )
        self.assertEqual(
            {'a': 3, 'b': 0, 'c': 2}, left(rule, profiles, 'a', 'c')
        )


class GpuInstancesTest(unittest.TestCase):
    RULE = size_rules.GpuInstances({'1-10c': 19, '1-5c': 19, '3-40c': 9})
    PROFILES = (
        profile('1-10c', 3, 10240),
        profile('1-5c', 6, 5120),
        profile('3-40c', 1, 40960),
    )

    def test_pending_part_keeps_another_size_from_its_instances(self):
        self.assertEqual(
            {'1-10c': 2, '1-5c': 0, '3-40c': 1},
            left(self.RULE, self.PROFILES, '1-10c'),
        )

    def test_pending_parts_of_one_size_leave_what_is_left(self):
        self.assertEqual(
            {'1-10c': 0, '1-5c': 4, '3-40c': 0},
            left(self.RULE, self.PROFILES, '1-5c', '1-5c', '3-40c'),
        )

    def test_nothing_pending_leaves_all(self):
        self.assertEqual(
            {'1-10c': 3, '1-5c': 6, '3-40c': 1},
            left(self.RULE, self.PROFILES),
        )


class OneAtATimeTest(unittest.TestCase):
    def test_one_of_each_until_one_is_pending(self):
        profiles = (profile('a', 5), profile('b', 0))
        self.assertEqual(
            {'a': 1, 'b': 0}, left(size_rules.ONE_AT_A_TIME, profiles)
        )
        self.assertEqual(
            {'a': 0, 'b': 0}, left(size_rules.ONE_AT_A_TIME, profiles, 'b')
        )


class ClashTest(unittest.TestCase):
    def test_two_sizes_clash_where_a_card_has_one(self):
        profiles = [profile('a', 1, 1024), profile('b', 1, 2048)]
        self.assertIn('a, b', _EQUAL.clash(profiles))
        self.assertIsNone(_EQUAL.clash(profiles[:1]))
        self.assertIsNone(size_rules.PROPORTIONAL.clash(profiles))
