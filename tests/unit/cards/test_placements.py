"""What fits of several sizes is a matter of places, not of sums."""

import unittest
from collections import Counter
from unittest import mock

from nova_gpuvirt import model
from nova_gpuvirt.cards import placements
from nova_gpuvirt.simulation.drivers import nvidia_places


def kinds(memory, *sizes):
    """The places of types of a card, by slug: since Blackwell, or before."""
    found = {}
    for size, most in sizes:
        places = (
            nvidia_places.since_blackwell(memory, size, most)
            if most
            else nvidia_places.before_blackwell(memory, size)
        )
        found[f'{size}q'] = tuple(
            placements.Place.of(None, i, places.size).bits for i in places.ids
        )
    return found


_BLACKWELL = kinds(96, (3, 32), (24, 4), (48, 2), (96, 1))
_GUIDE = kinds(94, (6, 0), (15, 0), (47, 0))


def left(free, *pending, chosen=True, unplaced=(), available=99):
    """What the rule leaves of each."""
    profiles = [
        model.Profile(
            slug, slug, slug, available, framebuffer_mib=int(slug[:-1]) << 10
        )
        for slug in free
    ]
    rule = placements.Placements(free, Counter(unplaced), chosen)
    return rule.left(profiles, Counter(pending))


class LeftTest(unittest.TestCase):
    def test_empty_card_has_each_place(self):
        self.assertEqual({'6q': 8, '15q': 4, '47q': 2}, left(_GUIDE))
        self.assertEqual(
            {'3q': 32, '24q': 4, '48q': 2, '96q': 1}, left(_BLACKWELL)
        )

    def test_drivers_word_is_the_most(self):
        self.assertEqual(
            {'3q': 5, '24q': 4, '48q': 2, '96q': 1},
            left(_BLACKWELL, available=5),
        )

    def test_two_small_ones_that_wait_take_one_large_place(self):
        for chosen in (True, False):
            self.assertEqual(
                {'3q': 30, '24q': 3, '48q': 1, '96q': 0},
                left(_BLACKWELL, '3q', '3q', chosen=chosen),
            )

    def test_order_that_nobody_knows_is_the_worst_one(self):
        # The driver puts a 15 at 0. A 6 that comes first takes 0, sends the
        # 15 to 32, and so takes two of its places.
        self.assertEqual(
            {'6q': 6, '15q': 2, '47q': 1},
            left(_GUIDE, '6q', '15q', chosen=False),
        )

    def test_vgpu_that_lies_nobody_knows_where_may_lie_anywhere(self):
        self.assertEqual(
            {'6q': 7, '15q': 3, '47q': 1}, left(_GUIDE, unplaced=('15q',))
        )
        self.assertEqual(
            {'3q': 30, '24q': 2, '48q': 0, '96q': 0},
            left(_BLACKWELL, unplaced=('3q', '3q')),
        )

    def test_what_has_no_place_at_all_leaves_nothing(self):
        free = _BLACKWELL | {'96q': ()}
        for waits in ({'pending': '96q'}, {'unplaced': ('96q',)}):
            pending = waits.pop('pending', None)
            found = left(free, *filter(None, [pending]), **waits)
            self.assertEqual(dict.fromkeys(free, 0), found)

    def test_where_nobody_knows_who_chooses_any_place_may_be_taken(self):
        self.assertEqual(
            {'6q': 2, '15q': 2, '47q': 0},
            left(_GUIDE, '6q', '15q', chosen=None),
        )

    def test_of_many_that_wait_few_orders_are_looked_at(self):
        free = kinds(96, (3, 32), (4, 24), (6, 16), (8, 12), (16, 6), (32, 3))
        with mock.patch.object(
            placements, 'best', side_effect=placements.best
        ) as choices:
            found = left(free, *free)
        # Of each state at most one choice for each kind.
        self.assertLessEqual(choices.call_count, 256 * len(free))
        self.assertEqual(dict.fromkeys(free, 0), found)


class BestTest(unittest.TestCase):
    def best(self, free, slug, taken=0):
        kinds = placements.largest_first(free.values())
        return free[slug].index(placements.best(kinds, free[slug], taken))

    def test_largest_piece_stays(self):
        taken = _BLACKWELL['24q'][3]
        # The driver would take the first place, and leave no half.
        self.assertEqual(2, self.best(_BLACKWELL, '24q', taken))
        self.assertEqual(
            _BLACKWELL['24q'][0], placements.first(_BLACKWELL['24q'], taken)
        )

    def test_card_that_is_full_has_no_best(self):
        kinds = placements.largest_first(_BLACKWELL.values())
        whole = _BLACKWELL['96q'][0]
        for slug in _BLACKWELL:
            found = placements.best(kinds, _BLACKWELL[slug], whole)
            self.assertIsNone(found)

    def test_gpu_instances_lie_apart(self):
        one, other = (placements.Place.of(n, 0, 24).bits for n in (0, 1))
        self.assertFalse(one & other)
        self.assertTrue(one & placements.Place.whole(0).bits)
        self.assertFalse(one & placements.Place.whole(1).bits)
