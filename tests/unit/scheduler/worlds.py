"""Hosts, cards and choices as hypothesis draws them."""

import dataclasses
import uuid

import os_resource_classes as orc
from hypothesis import strategies as st

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import view

CLASSES = tuple(f'CUSTOM_VGPU_{letter}' for letter in 'ABCDE')

_sizes = st.integers(1, 20).map(lambda n: summary.CARD // n)


@st.composite
def layouts(draw):
    """A model whose parts share its cards in one way or in several."""
    parts = draw(
        st.lists(
            st.tuples(
                st.sampled_from(CLASSES),
                _sizes,
                st.sampled_from(summary.Sharing),
                st.booleans(),
                st.integers(0, 1),
                st.none() | st.integers(1, 2),
                st.none() | st.integers(1, 2),
                st.sampled_from(('', 'Q', 'C')),
            ),
            max_size=len(CLASSES),
            unique_by=lambda part: part[0],
        )
    )
    return summary.Layout(
        draw(st.sampled_from(('T4', 'L40S'))),
        tuple(summary.Part(*part) for part in parts),
        draw(st.sampled_from(('', 'NVIDIA'))),
    )


def free(layout, provider='', **values):
    """A card of which nothing is taken."""
    return summary.Card(
        provider or str(uuid.uuid4()),
        '0000:3b:00.0',
        layout,
        whole=True,
        left=tuple(summary.CARD // part.size for part in layout.parts),
        **values,
    )


def classes(layout):
    return (orc.PGPU, *(part.resource_class for part in layout.parts))


@st.composite
def a_card(draw, of=None):
    """A card of which something is taken, as far as it goes."""
    layout = draw(layouts() if of is None else of)
    vgpu = (
        draw(st.none() | st.integers(0, len(layout.parts) - 1))
        if (layout.parts)
        else None
    )
    provider = str(draw(st.uuids()))
    card = dataclasses.replace(
        free(layout, provider, vgpu=vgpu), device=provider[:13]
    )
    for rc in draw(st.lists(st.sampled_from(classes(layout)), max_size=4)):
        if cards.room(card, rc):
            card = cards.take(card, rc, 1)
    return card


@st.composite
def hosts(draw, with_sets=True):
    """What a host with some cards of few models tells."""
    models = draw(st.lists(layouts(), min_size=1, max_size=2))
    found = draw(
        st.lists(
            a_card(st.sampled_from(models)),
            min_size=1,
            max_size=6,
            unique_by=lambda card: card.provider,
        )
    )
    whole = [i for i, card in enumerate(found) if card.whole]
    sets = ()
    if with_sets and len(whole) > 1 and draw(st.booleans()):
        sets = (
            summary.Sets(
                str(draw(st.uuids())),
                {'CUSTOM_GPU_SET_2': (tuple(whole[:2]),)},
            ),
        )
    return summary.Summary(tuple(found), sets)


@st.composite
def requests(draw):
    """How often each shape of request was seen."""
    return draw(
        st.dictionaries(
            st.builds(
                summary.Request,
                st.integers(0, 64),
                st.integers(0, 1 << 18),
                st.tuples(
                    st.tuples(
                        st.sampled_from((*CLASSES, orc.PGPU, orc.VGPU)),
                        st.integers(1, 4),
                    )
                ),
            ),
            st.integers(1, 50),
            max_size=8,
        )
    )


@st.composite
def views(draw, **kwargs):
    """A host as the scheduler sees it."""
    told = draw(hosts(**kwargs))
    wanted = demand.Demand(
        draw(requests()), dict.fromkeys(c.layout for c in told.cards)
    )
    return view.View(told, wanted)


@st.composite
def choices(draw, seen):
    """What a candidate may take of a host, whether it is there or not."""
    offers = [
        (card.provider, rc)
        for card in seen.summary.cards
        for rc in (*classes(card.layout), orc.VGPU)
    ]
    offers += [
        (sets.provider, rc) for sets in seen.summary.sets for rc in sets.free
    ]
    taken = draw(
        st.lists(st.sampled_from(offers), min_size=1, max_size=3, unique=True)
    )
    return tuple(
        candidate.Part(provider, rc, draw(st.integers(1, 2)))
        for provider, rc in taken
    )
