"""What a card has left, now and after something more is taken. Pure.

The host alone knows exactly, and says so in its next summary; this is what
the scheduler can foresee until then.
"""

from __future__ import annotations

import dataclasses

import os_resource_classes as orc

from nova_gpuvirt.model import summary


def room(card: summary.Card, resource_class: str) -> int:
    """Count how many units of a class can be had of a card now."""
    if card.health is not summary.Health.OK:
        return 0
    if resource_class == orc.PGPU:
        return int(card.whole or 0)
    index = card.part(resource_class)
    return 0 if index is None else card.left[index]


def take(card: summary.Card, resource_class: str, count: int) -> summary.Card:
    """Tell what a card would be when so many units of a class are taken.

    More than there is leaves nothing.
    """
    index = card.part(resource_class)
    if count > room(card, resource_class) or index is None:
        return dataclasses.replace(
            card,
            whole=card.whole and False,
            unused=0,
            left=(0,) * len(card.left),
        )
    unused = max(0, card.unused - count * card.layout.parts[index].size)
    return dataclasses.replace(
        card,
        whole=card.whole and False,
        unused=unused,
        left=_left(card, index, count, unused),
    )


def _left(
    card: summary.Card, index: int, count: int, unused: int
) -> tuple[int, ...]:
    taken = card.layout.parts[index]
    left = []
    for i, part in enumerate(card.layout.parts):
        n = card.left[i] - count * (i == index)
        if part.sharing is not taken.sharing:
            # Two ways to cut one card exclude each other.
            n = 0
        elif part.sharing is summary.Sharing.MIXED:
            n = min(n, unused // part.size)
        elif part.sharing is summary.Sharing.EQUAL:
            same = part.size == taken.size
            n = card.left[i] - count if same else 0
        left.append(max(0, n))
    return tuple(left)
