"""What a host tells survives its text, which is short."""

import contextlib
import json
import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from tests.unit.scheduler import worlds

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)


def large():
    """Eight cards of ten profiles, with all that can be told of them."""
    layout = summary.Layout(
        'NVIDIA AD102GL [L40S]',
        tuple(
            summary.Part(
                f'CUSTOM_VGPU_NVIDIA_RTX_PRO_6000_BLACKWELL_DC_{n}Q',
                summary.CARD * n // 48,
                summary.Sharing.MIXED,
                n % 2 == 0,
                per_card=16,
                per_guest=16,
                series='Q',
            )
            for n in SIZES
        ),
        'NVIDIA',
    )
    cards = tuple(
        worlds.free(
            layout,
            numa_node=i // 4,
            switch=f'0000:{i:02x}:01.0',
            vgpu=5,
        )
        for i in range(8)
    )
    sets = summary.Sets(
        cards[0].provider,
        {
            f'CUSTOM_GPU_SET_{n}': tuple(
                tuple(range(first, first + n)) for first in range(0, 8, n)
            )
            for n in (2, 4, 8)
        },
    )
    running = tuple(
        (
            summary.Request(
                n, n << 14, ((layout.parts[i % 10].resource_class, n),)
            ),
            100 + n,
        )
        for i, n in enumerate(range(100, 116))
    )
    # As many as a host tells of.
    arrived = tuple(f'{n:08x}' for n in range(64))
    return summary.Summary(cards, (sets,), running, arrived)


# What a host of version 1 told: its last numbers are counts of claims.
VERSION_1 = (
    '[1,[["T4",[["CUSTOM_VGPU_A",250000,"e"]],null]],'
    '[["card","0000:3b:00.0",0,1,"0000:16:00.0","",false,750000,[3],0,7]],'
    '[["fabric",{"CUSTOM_GPU_SET_2":[[0]]},2]],'
    '[[3,4,8192,{"VGPU":1}]]]'
)


# One of version 2, which had a limit for each way to a card's parts.
VERSION_2 = (
    '[2,[["T4",[["CUSTOM_VGPU_A",250000,"e",true,0],'
    '["CUSTOM_GPU_B",500000,"i",false,1]],[null,1]]],'
    '[["card","0000:3b:00.0",0,1,"0000:16:00.0","",false,750000,[3,2],0]],'
    '[["fabric",{"CUSTOM_GPU_SET_2":[[0]]}]],'
    '[[3,4,8192,{"VGPU":1}]],["01234567"]]'
)


class TextTest(unittest.TestCase):
    @hypothesis.given(
        worlds.hosts(), worlds.requests(), st.lists(st.uuids().map(str))
    )
    def test_a_text_says_all(self, told, running, arrived):
        told = summary.Summary(
            told.cards,
            told.sets,
            tuple(running.items()),
            tuple(map(summary.mark, arrived)),
        )
        self.assertEqual(told, summary_text.load(summary_text.dump(told)))

    def test_health_and_place_are_told(self):
        card = worlds.free(
            summary.Layout('T4'),
            numa_node=1,
            switch='0000:16:00.0',
            health=summary.Health.QUARANTINED,
        )
        told = summary.Summary((card,))
        self.assertEqual(told, summary_text.load(summary_text.dump(told)))

    def test_eight_cards_of_ten_profiles_take_less_than_8_kib(self):
        told = large()
        text = summary_text.dump(told)
        self.assertEqual(told, summary_text.load(text))
        self.assertLess(len(text.encode()), 8 << 10)

    def test_hosts_with_the_same_model_share_its_layout(self):
        text = summary_text.dump(large())
        one, other = summary_text.load(text), summary_text.load(text)
        self.assertIs(one.cards[0].layout, other.cards[1].layout)

    def test_version_1_is_read_without_its_counts(self):
        layout = summary.Layout(
            'T4',
            (summary.Part('CUSTOM_VGPU_A', 250_000, summary.Sharing.EQUAL),),
        )
        card = summary.Card(
            'card',
            '0000:3b:00.0',
            layout,
            numa_node=1,
            switch='0000:16:00.0',
            whole=False,
            unused=750_000,
            left=(3,),
            vgpu=0,
        )
        sets = summary.Sets('fabric', {'CUSTOM_GPU_SET_2': ((0,),)})
        running = (summary.Request(4, 8192, (('VGPU', 1),)), 3)
        self.assertEqual(
            summary.Summary((card,), (sets,), (running,), ()),
            summary_text.load(VERSION_1),
        )

    def test_version_2_is_read_with_its_limits(self):
        told = summary_text.load(VERSION_2)
        a, b = told.cards[0].layout.parts
        self.assertEqual((None, 1), (a.per_card, b.per_card))
        self.assertEqual((True, False), (a.has_screen, b.has_screen))
        self.assertEqual((0, 1), (a.way, b.way))
        self.assertEqual(('', ''), (told.cards[0].layout.vendor, a.series))
        self.assertEqual((3, 2), told.cards[0].left)
        self.assertEqual(('01234567',), told.arrived)
        self.assertEqual(told, summary_text.load(summary_text.dump(told)))

    def test_other_versions_are_not_read(self):
        body = json.loads(summary_text.dump(large()))
        for version in (0, summary_text.VERSION + 1, None, '2'):
            with self.assertRaisesRegex(
                summary_text.Unreadable, f'version 1 to 3, found {version!r}'
            ):
                summary_text.load(json.dumps([version, *body[1:]]))

    def test_part_of_a_way_without_a_limit_is_not_read(self):
        body = json.loads(VERSION_2)
        body[1][0][2] = []
        with self.assertRaises(summary_text.Unreadable):
            summary_text.load(json.dumps(body))

    def test_no_text_is_taken_for_a_summary(self):
        whole = summary_text.dump(large())
        body = json.loads(whole)
        for text in (
            '',
            'null',
            '1',
            '[]',
            '{}',
            '[1]',
            '[1,[],[],[]]',
            '[1,[],[],[],[],[]]',
            '[1,[],[["u","d",0]],[],[]]',
            '[1,[],[],[["u",[],0]],[]]',
            '[2]',
            '[2,[],[],[],[]]',
            '[2,[["T4",[["A",1,"?"]],null]],[],[],[],[]]',
            '[2,[],[["u","d",0]],[],[],[]]',
            '[2,[],[],[["u",[]]],[],[]]',
            '[2,[],[],[],[[1,2,3,[]]],[]]',
            '[2,[],[],[],[],1]',
            '[3]',
            '[3,[["T4",[["A",1,"?"]],""]],[],[],[],[]]',
            '[3,[["T4",[]]],[],[],[],[]]',
            whole[:-1],
            json.dumps([*body, []]),
        ):
            with (
                self.subTest(text[:40]),
                self.assertRaises(summary_text.Unreadable),
            ):
                summary_text.load(text)

    def test_word_of_another_type_is_not_taken(self):
        body = json.loads(summary_text.dump(large()))
        for place, nonsense in (
            ((1, 0, 0), 7),
            ((1, 0, 1, 0, 0), ['VGPU']),
            ((1, 0, 1, 0, 1), '1'),
            ((1, 0, 1, 0, 1), -1),
            ((1, 0, 1, 0, 1), summary.CARD + 1),
            ((1, 0, 1, 0, 3), 'no'),
            ((1, 0, 1, 0, 5), 'all'),
            ((1, 0, 2), None),
            ((2, 0, 0), None),
            ((2, 0, 2), -1),
            ((2, 0, 3), '0'),
            ((2, 0, 6), 'yes'),
            ((2, 0, 7), 1e9),
            ((2, 0, 7), '9' * 5000),
            ((2, 0, 8), [1]),
            ((2, 0, 8, 0), None),
            ((2, 0, 8, 0), True),
            ((2, 0, 9), 10),
            ((3, 0, 1, 'CUSTOM_GPU_SET_2', 0), [0, 8]),
            ((3, 0, 1, 'CUSTOM_GPU_SET_2', 0), 'ab'),
            ((4, 0, 0), -3),
            ((4, 0, 1), None),
            ((4, 0, 3), {'VGPU': '1'}),
            ((5,), '01234567'),
            ((5, 0), 7),
        ):
            text = json.dumps(_with(body, place, nonsense))
            with (
                self.subTest(place=place, nonsense=nonsense),
                self.assertRaises(summary_text.Unreadable),
            ):
                summary_text.load(text)

    def test_host_that_tells_of_others_each_time_fills_no_memory(self):
        for number in range(summary_text._MOST_KNOWN + 10):
            summary_text.load(f'[3,[["{number}",[],""]],[],[],[],[]]')
        self.assertLessEqual(
            len(summary_text._KNOWN), summary_text._MOST_KNOWN
        )

    @hypothesis.given(
        st.recursive(
            st.none() | st.integers() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=5)
                | st.dictionaries(st.text(max_size=2), inner, max_size=3)
            ),
        )
    )
    def test_reading_ends_in_a_summary_or_in_unreadable(self, body):
        for each in (
            body,
            [1, body, body, [], body],
            [2, body, body, [], body, body],
            [3, body, body, [], body, body],
        ):
            with contextlib.suppress(summary_text.Unreadable):
                told = summary_text.load(json.dumps(each))
                self.assertIsInstance(told, summary.Summary)


def _with(body, place, value):
    """Copy a body, with another value in one place."""
    if not place:
        return value
    first, *rest = place
    copied = dict(body) if isinstance(body, dict) else list(body)
    copied[first] = _with(copied[first], rest, value)
    return copied


class CardTest(unittest.TestCase):
    @hypothesis.given(worlds.a_card())
    def test_a_part_is_found_by_its_class(self, card):
        for i, part in enumerate(card.layout.parts):
            self.assertEqual(i, card.part(part.resource_class))
        self.assertEqual(card.vgpu, card.part(orc.VGPU))
        self.assertIsNone(card.part('CUSTOM_OTHER'))
