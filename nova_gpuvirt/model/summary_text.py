"""The text of a host's summary, under `summary.KEY`.

It is JSON without names of fields: 8 cards of 10 profiles take less than 8
KiB. Hosts may be upgraded after the scheduler, which reads versions 1 and 2 as
well. Others are not read at all.
"""

from __future__ import annotations

import json
from typing import Any

from nova_gpuvirt.model import summary as summary_

VERSION = 3

# A fleet has thousands of hosts and few layouts: each is kept once.
_KNOWN: dict[summary_.Layout, summary_.Layout] = {}
_MOST_KNOWN = 4096
_MOST = 1 << 31  # what Nova's columns of numbers hold


class Unreadable(ValueError):
    """A text that this version can't read."""


def dump(summary: summary_.Summary) -> str:
    """Write a summary as text."""
    layouts = list(dict.fromkeys(card.layout for card in summary.cards))
    body = [
        VERSION,
        [_layout_out(layout) for layout in layouts],
        [
            _card_out(card, layouts.index(card.layout))
            for card in summary.cards
        ],
        [[s.provider, dict(s.free)] for s in summary.sets],
        [
            [count, r.vcpus, r.memory_mb, dict(r.units)]
            for r, count in summary.running
        ],
        summary.arrived,
    ]
    return json.dumps(body, separators=(',', ':'))


def load(text: str) -> summary_.Summary:
    """Read a summary from its text.

    :raises Unreadable: when it is none, or of a version that is not known
    """
    try:
        version, *body = json.loads(text)
        if version not in (1, 2, VERSION):
            raise Unreadable(
                f'wanted a summary of version 1 to {VERSION}, '
                f'found {version!r}'
            )
        if version == 1:
            body = _of_version_1(*body)
        if version < VERSION:
            body = _of_version_2(*body)
        layouts, cards, sets, running, arrived = body
        known = [_layout_in(*layout) for layout in layouts]
        return summary_.Summary(
            tuple(_card_in(known, *card) for card in cards),
            tuple(_sets_in(len(cards), *each) for each in sets),
            tuple(_running_in(*each) for each in running),
            tuple(map(_text, _list(arrived))),
        )
    except Unreadable:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise Unreadable(f'{text[:80]!r} is no summary: {error}') from error


def _of_version_1(
    layouts: list[Any],
    cards: list[list[Any]],
    sets: list[list[Any]],
    running: list[Any],
) -> list[Any]:
    """Turn the body of a text of version 1 into one of version 2.

    Cards and sets had counts of their claims, last. Nobody can tell whose
    these were. A card had one limit for all of its parts.
    """
    return [
        [[*layout, [limit]] for *layout, limit in layouts],
        [card[:-1] for card in cards],
        [each[:-1] for each in sets],
        running,
        [],
    ]


def _of_version_2(
    layouts: list[list[Any]], cards: list[Any], *more: Any
) -> list[Any]:
    """Turn the body of a text of version 2 into one of this version.

    A card had a limit for each way to its parts, and told of no vendor.
    """
    return [
        [
            [model, [_with_limit(limits, *part) for part in parts], '']
            for model, parts, limits in layouts
        ],
        cards,
        *more,
    ]


def _with_limit(
    limits: list[int | None],
    resource_class: str,
    size: int,
    how: str,
    has_screen: bool = True,
    way: int = 0,
) -> list[Any]:
    """Give a part of version 2 the limit of its way."""
    return [resource_class, size, how, has_screen, way, limits[way], None, '']


def _layout_out(layout: summary_.Layout) -> list[object]:
    parts = [
        [
            *(p.resource_class, p.size, p.sharing.value, p.has_screen, p.way),
            *(p.per_card, p.per_guest, p.series),
        ]
        for p in layout.parts
    ]
    return [layout.model, parts, layout.vendor]


def _layout_in(
    model: str, parts: list[tuple[Any, ...]], vendor: str
) -> summary_.Layout:
    layout = summary_.Layout(
        _text(model),
        tuple(_part_in(*part) for part in parts),
        _text(vendor),
    )
    # Who tells of other layouts each time may not fill the scheduler.
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    return _KNOWN.setdefault(layout, layout)


def _part_in(
    resource_class: str,
    size: int,
    how: str,
    has_screen: bool,
    way: int,
    per_card: int | None,
    per_guest: int | None,
    series: str,
) -> summary_.Part:
    return summary_.Part(
        _text(resource_class),
        _number(size, summary_.CARD),
        summary_.Sharing(how),
        _truth(has_screen),
        _number(way),
        None if per_card is None else _number(per_card),
        None if per_guest is None else _number(per_guest),
        _text(series),
    )


def _card_out(card: summary_.Card, layout: int) -> list[object]:
    return [
        card.provider,
        card.device,
        layout,
        card.numa_node,
        card.switch,
        card.health.value,
        card.whole,
        card.unused,
        card.left,
        card.vgpu,
    ]


def _card_in(
    layouts: list[summary_.Layout],
    provider: str,
    device: str,
    layout: int,
    numa_node: int | None,
    switch: str | None,
    health: str,
    whole: bool | None,
    unused: int,
    left: list[int],
    vgpu: int | None,
) -> summary_.Card:
    its = layouts[_number(layout, len(layouts) - 1)]
    last = len(its.parts) - 1
    if len(_list(left)) != len(its.parts):
        raise ValueError(f'{left!r} is not left of {len(its.parts)} parts')
    return summary_.Card(
        _text(provider),
        _text(device),
        its,
        None if numa_node is None else _number(numa_node),
        None if switch is None else _text(switch),
        summary_.Health(health),
        None if whole is None else _truth(whole),
        _number(unused, summary_.CARD),
        tuple(map(_number, left)),
        None if vgpu is None else _number(vgpu, last),
    )


def _sets_in(
    cards: int, provider: str, free: dict[str, list[list[int]]]
) -> summary_.Sets:
    """Read the sets of a fabric.

    :param cards: how many the host has
    """
    return summary_.Sets(
        _text(provider),
        {
            rc: tuple(
                tuple(_number(index, cards - 1) for index in _list(each))
                for each in _list(found)
            )
            for rc, found in free.items()
        },
    )


def _running_in(
    count: int, vcpus: int, memory_mb: int, units: dict[str, int]
) -> tuple[summary_.Request, int]:
    asked = tuple((rc, _number(n)) for rc, n in units.items())
    request = summary_.Request(_number(vcpus), _number(memory_mb), asked)
    return request, _number(count)


# A host's word is no more than a row of Nova's database: what is of another
# type than it says would fail in the midst of another request.


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError(f'{found!r} is no text')
    return found


def _number(found: object, most: int = _MOST) -> int:
    if type(found) is not int or not 0 <= found <= most:
        raise TypeError(f'{found!r} is no number up to {most}')
    return found


def _truth(found: object) -> bool:
    if not isinstance(found, bool):
        raise TypeError(f'{found!r} is neither true nor false')
    return found


def _list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise TypeError(f'{found!r} is no list')
    return found
