"""What is foreseen of a card is never more than there can be."""

import dataclasses
import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import cards
from tests.unit.scheduler import worlds

A, B, C = worlds.CLASSES[:3]


def layout(*sharing, sizes=(2, 4, 4)):
    return summary.Layout(
        'T4',
        tuple(
            summary.Part(rc, summary.CARD // size, how)
            for rc, size, how in zip((A, B, C), sizes, sharing, strict=False)
        ),
    )


class TakeTest(unittest.TestCase):
    @hypothesis.given(st.data())
    def test_nothing_grows_and_nothing_is_less_than_none(self, data):
        card = data.draw(worlds.a_card())
        rc = data.draw(
            st.sampled_from((*worlds.classes(card.layout), orc.VGPU))
        )
        count = data.draw(st.integers(1, 3))
        after = cards.take(card, rc, count)
        self.assertLessEqual(after.unused, card.unused)
        self.assertGreaterEqual(after.unused, 0)
        for old, new in zip(card.left, after.left, strict=True):
            self.assertLessEqual(new, old)
            self.assertGreaterEqual(new, 0)
        self.assertFalse(after.whole)
        if count <= cards.room(card, rc):
            self.assertEqual(
                max(0, cards.room(card, rc) - count), cards.room(after, rc)
            )

    def test_a_whole_card_leaves_nothing(self):
        free = worlds.free(layout(*[summary.Sharing.MIXED] * 3))
        after = cards.take(free, orc.PGPU, 1)
        self.assertEqual((0, (0, 0, 0)), (after.unused, after.left))

    def test_more_than_there_is_leaves_nothing(self):
        free = worlds.free(layout(summary.Sharing.MIXED))
        after = cards.take(free, A, 3)
        self.assertEqual((0, (0,)), (after.unused, after.left))

    def test_mixed_sizes_share_what_is_unused(self):
        free = worlds.free(layout(*[summary.Sharing.MIXED] * 3))
        after = cards.take(free, B, 1)
        self.assertEqual((1, 3, 3), after.left)
        self.assertEqual(750_000, after.unused)

    def test_one_size_at_a_time_keeps_others_of_that_size(self):
        free = worlds.free(layout(*[summary.Sharing.EQUAL] * 3))
        self.assertEqual((0, 3, 3), cards.take(free, B, 1).left)

    def test_independent_parts_take_nothing_from_each_other(self):
        free = worlds.free(layout(*[summary.Sharing.INDEPENDENT] * 3))
        self.assertEqual((2, 3, 4), cards.take(free, B, 1).left)

    def test_two_ways_to_cut_a_card_exclude_each_other(self):
        free = worlds.free(
            layout(summary.Sharing.MIXED, summary.Sharing.EQUAL)
        )
        self.assertEqual((0, 3), cards.take(free, B, 1).left)

    def test_vgpu_is_the_part_that_it_stands_for(self):
        free = worlds.free(layout(*[summary.Sharing.MIXED] * 3), vgpu=1)
        self.assertEqual(4, cards.room(free, orc.VGPU))
        self.assertEqual(
            cards.take(free, B, 2).left, cards.take(free, orc.VGPU, 2).left
        )


class RoomTest(unittest.TestCase):
    @hypothesis.given(
        worlds.a_card(),
        st.sampled_from((summary.Health.QUARANTINED, summary.Health.MISSING)),
    )
    def test_a_sick_card_has_no_room(self, card, health):
        sick = dataclasses.replace(card, health=health)
        for rc in (*worlds.classes(card.layout), orc.VGPU):
            self.assertEqual(0, cards.room(sick, rc))

    def test_a_card_that_is_not_offered_whole_has_no_pgpu(self):
        card = dataclasses.replace(worlds.free(layout()), whole=None)
        self.assertEqual(0, cards.room(card, orc.PGPU))
        self.assertIsNone(cards.take(card, A, 1).whole)
