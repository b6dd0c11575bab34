"""What a host tells survives its text, which is short."""

import contextlib
import json
import unittest

import hypothesis
import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt import summary
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
            )
            for n in SIZES
        ),
        per_guest=16,
    )
    cards = tuple(
        worlds.free(
            layout,
            numa_node=i // 4,
            switch=f'0000:{i:02x}:01.0',
            vgpu=5,
            claims=12,
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
        3,
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
    return summary.Summary(cards, (sets,), running)


class TextTest(unittest.TestCase):
    @hypothesis.given(worlds.hosts(), worlds.requests())
    def test_a_text_says_all(self, told, running):
        told = summary.Summary(told.cards, told.sets, tuple(running.items()))
        self.assertEqual(told, summary.load(summary.dump(told)))

    def test_health_and_place_are_told(self):
        card = worlds.free(
            summary.Layout('T4'),
            numa_node=1,
            switch='0000:16:00.0',
            health=summary.Health.QUARANTINED,
        )
        told = summary.Summary((card,))
        self.assertEqual(told, summary.load(summary.dump(told)))

    def test_eight_cards_of_ten_profiles_take_less_than_8_kib(self):
        text = summary.dump(large())
        self.assertEqual(large().running, summary.load(text).running)
        self.assertLess(len(text.encode()), 8 << 10)

    def test_hosts_with_the_same_model_share_its_layout(self):
        text = summary.dump(large())
        one, other = summary.load(text), summary.load(text)
        self.assertIs(one.cards[0].layout, other.cards[1].layout)

    def test_other_versions_are_not_read(self):
        body = json.loads(summary.dump(large()))
        body[0] = summary.VERSION + 1
        with self.assertRaisesRegex(summary.Unreadable, 'version 1, found 2'):
            summary.load(json.dumps(body))

    def test_no_text_is_taken_for_a_summary(self):
        whole = summary.dump(large())
        body = json.loads(whole)
        for text in (
            '',
            'null',
            '1',
            '[]',
            '{}',
            '[1]',
            '[1,[],[],[]]',
            '[1,[["T4",[["A",1,"?"]],null]],[],[],[]]',
            '[1,[],[["u","d",0]],[],[]]',
            '[1,[],[],[["u",[],0]],[]]',
            '[1,[],[],[],[[1,2,3,[]]]]',
            whole[:-1],
            json.dumps([*body, []]),
        ):
            with (
                self.subTest(text[:40]),
                self.assertRaises(summary.Unreadable),
            ):
                summary.load(text)

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
        for text in (json.dumps(body), json.dumps([1, body, body, [], body])):
            with contextlib.suppress(summary.Unreadable):
                self.assertIsInstance(summary.load(text), summary.Summary)


class CardTest(unittest.TestCase):
    @hypothesis.given(worlds.a_card())
    def test_a_part_is_found_by_its_class(self, card):
        for i, part in enumerate(card.layout.parts):
            self.assertEqual(i, card.part(part.resource_class))
        self.assertEqual(card.vgpu, card.part(orc.VGPU))
        self.assertIsNone(card.part('CUSTOM_OTHER'))
