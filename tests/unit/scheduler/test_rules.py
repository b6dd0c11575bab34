"""Choices that Placement has and the host has not are refused."""

import dataclasses
import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import rules
from nova_gpuvirt.scheduler import view
from tests.unit.scheduler import worlds

A, B = worlds.CLASSES[:2]
LAYOUT = summary.Layout(
    'T4',
    tuple(
        summary.Part(rc, summary.CARD // n, summary.Sharing.EQUAL, per_card=1)
        for rc, n in ((A, 4), (B, 2))
    ),
)
SET = 'CUSTOM_GPU_SET_2'


def look(*told, sets=()):
    layouts = dict.fromkeys(card.layout for card in told)
    return view.View(summary.Summary(told, sets), demand.Demand({}, layouts))


def refusal(seen, *parts):
    return rules.refusal(seen, tuple(candidate.Part(*part) for part in parts))


class RefusalTest(unittest.TestCase):
    @hypothesis.given(st.data())
    def test_none_of_the_rules_is_left_out(self, data):
        seen = data.draw(worlds.views())
        parts = data.draw(worlds.choices(seen))
        by_rules = [rule(seen, parts) for rule in rules.RULES]
        self.assertEqual(
            next((r for r in by_rules if r is not None), None),
            rules.refusal(seen, parts),
        )

    def test_what_is_free_is_given(self):
        free = worlds.free(LAYOUT, 'card')
        for rc in (A, B, orc.PGPU):
            self.assertIsNone(refusal(look(free), ('card', rc, 1)))

    def test_sick_and_missing_cards_are_refused(self):
        free = worlds.free(LAYOUT, 'card')
        for health, word in (
            (summary.Health.QUARANTINED, 'quarantined'),
            (summary.Health.MISSING, 'missing'),
        ):
            sick = dataclasses.replace(free, health=health)
            self.assertIn(word, refusal(look(sick), ('card', A, 1)))

    def test_what_another_size_took_is_refused(self):
        cut = cards.take(worlds.free(LAYOUT, 'card'), B, 1)
        self.assertEqual(
            f'0000:3b:00.0 has 0 of {A} left, 1 are wanted',
            refusal(look(cut), ('card', A, 1)),
        )

    def test_a_guest_gets_no_more_of_a_card_than_it_may(self):
        free = worlds.free(LAYOUT, 'card')
        self.assertIn(
            'gives 1 of its parts to one guest',
            refusal(look(free), ('card', A, 2)),
        )

    def test_each_way_to_a_card_has_a_limit_of_its_own(self):
        layout = summary.Layout(
            'Flex 140',
            tuple(
                summary.Part(
                    rc,
                    summary.CARD // 4,
                    summary.Sharing.INDEPENDENT,
                    way=way,
                    per_card=limit,
                )
                for way, (rc, limit) in enumerate(((A, None), (B, 1)))
            ),
        )
        seen = look(worlds.free(layout, 'card'))
        self.assertIsNone(refusal(seen, ('card', A, 4), ('card', B, 1)))
        self.assertIn(
            'gives 1 of its parts to one guest, 2 are wanted',
            refusal(seen, ('card', A, 1), ('card', B, 2)),
        )

    def test_guest_gets_nvidias_vgpus_as_their_types_allow(self):
        def layout(board, **limits):
            parts = (
                summary.Part(
                    rc,
                    summary.CARD // 4,
                    summary.Sharing.EQUAL,
                    series=series,
                    **limits,
                )
                for rc, series in ((A, 'Q'), (B, 'B'))
            )
            return summary.Layout(board, tuple(parts), 'NVIDIA')

        several = layout('RTX', per_card=3, per_guest=3)
        cards = {
            'one': several,
            'other': several,
            'another': layout('L4', per_card=1),
            'whole': summary.Layout('H100', vendor='NVIDIA'),
            'amd': summary.Layout('MI300X', vendor='AMD'),
        }
        seen = look(
            *(
                dataclasses.replace(worlds.free(of, name), device=name)
                for name, of in cards.items()
            )
        )
        for parts, word in (
            ((('one', A, 3),), None),
            ((('one', A, 4),), 'gives 3 of its parts'),
            ((('one', A, 1), ('other', A, 2)), None),
            ((('one', A, 2), ('other', A, 2)), 'has 3 of them at most, 4'),
            ((('one', A, 1), ('one', B, 1)), 'RTX B and RTX Q'),
            ((('one', A, 1), ('other', B, 1)), 'RTX B and RTX Q'),
            ((('one', A, 1), ('another', A, 1)), 'L4 Q and RTX Q'),
            ((('one', A, 1), ('whole', orc.PGPU, 1)), 'NVIDIA allows one of'),
            ((('one', A, 1), ('amd', orc.PGPU, 1)), None),
        ):
            found = refusal(seen, *parts)
            if word is None:
                self.assertIsNone(found, parts)
            else:
                self.assertIn(word, found or '', parts)

    def test_a_card_and_a_part_of_it_exclude_each_other(self):
        free = worlds.free(LAYOUT, 'card')
        self.assertEqual(
            f'0000:3b:00.0 can not be {A} and PGPU',
            refusal(look(free), ('card', A, 1), ('card', orc.PGPU, 1)),
        )

    def test_sets_are_given_as_long_as_there_are_free_ones(self):
        told = [worlds.free(LAYOUT, f'card{i}') for i in range(2)]
        sets = summary.Sets('fabric', {SET: ((0, 1),)})
        seen = look(*told, sets=(sets,))
        self.assertIsNone(refusal(seen, ('fabric', SET, 1)))
        self.assertEqual(
            f'1 of {SET} are left, 2 are wanted',
            refusal(seen, ('fabric', SET, 2)),
        )

    def test_a_set_and_a_card_of_it_exclude_each_other(self):
        told = [worlds.free(LAYOUT, f'card{i}') for i in range(2)]
        sets = summary.Sets('fabric', {SET: ((0, 1),)})
        self.assertIn(
            'can not be',
            refusal(
                look(*told, sets=(sets,)),
                ('fabric', SET, 1),
                ('card1', orc.PGPU, 1),
            ),
        )
