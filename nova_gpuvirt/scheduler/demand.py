"""What requests are typical, and what they could use of a card. Pure.

This is the fragmentation measure of Weng et al., "Beware of Fragmentation"
(USENIX ATC 2023), with two changes that place more of their trace: a typical
request can use no more cards than there are CPUs and memory for, and counts
by the square root of its size, so that the rare large ones keep their place.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import cards

# Of the typical requests, the most frequent ones that are looked at.
MOST = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Typical:
    """A typical request: its weight, and what it needs of a host.

    `cards` is how many cards' worth of GPU it gets.
    """

    weight: float
    vcpus: int
    memory_mb: int
    resource_class: str
    count: int
    cards: float


class Demand:
    """Typical requests, and what each could use of cards like those known.

    :param requests: how often each shape of request was seen
    :param layouts: the kinds of card that there are, which tell the sizes
    """

    def __init__(
        self,
        requests: Mapping[summary.Request, int],
        layouts: Iterable[summary.Layout],
    ) -> None:
        sizes = _sizes(layouts)
        self.typical = tuple(_typical(requests, sizes))
        self._memo: dict[tuple[object, ...], tuple[float, ...]] = {}
        # More than one whole card can't be had of one card alone.
        self._many = tuple(
            (i, t.count)
            for i, t in enumerate(self.typical)
            if t.resource_class == orc.PGPU and t.count > 1
        )

    def usable(self, card: summary.Card) -> tuple[float, ...]:
        """Tell how much of a card each typical request could use, in cards."""
        state = (card.layout, card.whole, card.unused, card.left, card.vgpu)
        try:
            return self._memo[state]
        except KeyError:
            found = self._memo[state] = self._usable(card)
            return found

    def _usable(self, card: summary.Card) -> tuple[float, ...]:
        unused = card.unused / summary.CARD
        return tuple(
            unused
            if cards.room(card, t.resource_class)
            >= (1 if t.resource_class == orc.PGPU else t.count)
            else 0.0
            for t in self.typical
        )

    def total(self, each: Iterable[Sequence[float]]) -> list[float]:
        """Add up what the cards of one host give to each typical request."""
        total = [sum(column) for column in zip(*each, strict=True)]
        return total or [0.0] * len(self.typical)

    def value(
        self, usable: Sequence[float], vcpus: float, memory_mb: float
    ) -> float:
        """Tell what a host with so many CPUs and MiB left is worth, in cards.

        :param usable: what its cards give to each typical request
        """
        worth = 0.0
        for i, count in self._many:
            if usable[i] < count:
                usable = [*usable]
                usable[i] = 0.0
        for typical, cards_ in zip(self.typical, usable, strict=True):
            if (
                cards_
                and vcpus >= typical.vcpus
                and memory_mb >= typical.memory_mb
            ):
                worth += typical.weight * min(
                    cards_,
                    typical.cards * vcpus / typical.vcpus,
                    typical.cards * memory_mb / typical.memory_mb,
                )
        return worth


def _sizes(layouts: Iterable[summary.Layout]) -> dict[str, float]:
    """Tell what one unit of each class takes, in cards: the least of any."""
    sizes = {orc.PGPU: 1.0}
    for part in itertools.chain.from_iterable(x.parts for x in layouts):
        size = part.size / summary.CARD
        rc = part.resource_class
        sizes[rc] = min(size, sizes.get(rc, size))
        sizes[orc.VGPU] = min(size, sizes.get(orc.VGPU, size))
    return sizes


def _typical(
    requests: Mapping[summary.Request, int], sizes: Mapping[str, float]
) -> Iterable[Typical]:
    shapes: Counter[tuple[int, int, str, int]] = Counter()
    for request, times in requests.items():
        for rc, count in request.units:
            if rc in sizes:
                shapes[request.vcpus, request.memory_mb, rc, count] += times
    # A class that nobody has yet may be asked for as well.
    for rc in sizes:
        shapes[1, 1, rc, 1] += 1
    common = shapes.most_common(MOST)
    weights = [
        times * math.sqrt(sizes[rc] * count)
        for (_, _, rc, count), times in common
    ]
    total = sum(weights)
    for ((vcpus, memory, rc, count), _), weight in zip(
        common, weights, strict=True
    ):
        yield Typical(
            weight / total,
            max(1, vcpus),
            max(1, memory),
            rc,
            count,
            sizes[rc] * count,
        )
