"""What requests are typical, and what they could use of a host. Pure.

This is the fragmentation measure of Weng et al., "Beware of Fragmentation"
(USENIX ATC 2023), with two changes that place more of their trace: a typical
request can use no more cards than there are CPUs and memory for, and counts
by the square root of its size, so that the rare large ones keep their place.

What is usable is counted in millionths of a card, so that sums are exact.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from typing import NamedTuple

import os_resource_classes as orc

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import effects as effects_

# Of the typical requests, those that weigh most are looked at.
MOST = 64
# States of cards that are kept; a fleet has far fewer at a time.
_STATES = 20_000


class Typical(NamedTuple):
    """A typical request: its weight, and what it needs of a host.

    `per_vcpu` and `per_mb` are what each CPU and each MiB of the host lets
    such requests use of its cards, in millionths. The weight is for one.
    """

    weight: float
    vcpus: int
    memory_mb: int
    per_vcpu: float
    per_mb: float


class Demand:
    """Typical requests, and what they could use of cards like those known.

    :param requests: how often each shape of request was seen
    :param layouts: the kinds of card that there are, which tell the sizes
    :ivar units: what is asked for: classes, and how many of them
    :ivar typical: the requests for each of them, by index
    :ivar many: the units that one card alone can't give: the least millionths
        for one request, by index
    """

    def __init__(
        self,
        requests: Mapping[summary.Request, int],
        layouts: Iterable[summary.Layout],
    ) -> None:
        sizes = _sizes(layouts)
        weights = _weights(requests, sizes)
        self.units = tuple(dict.fromkeys((rc, n) for _, _, rc, n in weights))
        self.typical = tuple(
            (i, _typical(unit, weights, sizes[unit[0]]))
            for i, unit in enumerate(self.units)
        )
        self.many = tuple(
            (i, count * summary.CARD)
            for i, (rc, count) in enumerate(self.units)
            if rc == orc.PGPU and count > 1
        )
        self._states: dict[tuple[object, ...], effects_.State] = {}
        self._together: dict[tuple[effects_.Effect, ...], effects_.Effect] = {}

    def state(self, card: summary.Card) -> effects_.State:
        """Find the state that a card is in."""
        key = (
            card.layout,
            card.health,
            card.whole,
            card.unused,
            card.left,
            card.vgpu,
        )
        known = self._states.get(key)
        if known is None:
            if len(self._states) >= _STATES:
                self._states.clear()
            known = self._states[key] = effects_.State(card, self.units)
        return known

    def together(
        self, effects: tuple[effects_.Effect, ...]
    ) -> effects_.Effect:
        """Take all of these at once, each of another card."""
        known = self._together.get(effects)
        if known is None:
            if len(self._together) >= _STATES:
                self._together.clear()
            known = self._together[effects] = effects_.Effect(
                sum(s.unused for s in effects) / max(1, len(effects)),
                sum(s.taken for s in effects),
                tuple(map(sum, zip(*(s.change for s in effects), strict=True)))
                or (0,) * len(self.units),
                # Whether a guest can have these together takes a closer look.
                all(s.fits for s in effects)
                and not any(s.is_picky for s in effects),
            )
        return known

    def usable(self, states: Iterable[effects_.State]) -> list[int]:
        """Add up what can be used of the cards of one host, by unit."""
        usable = [*map(sum, zip(*(s.usable for s in states), strict=True))]
        for i, least in self.many:
            if usable and usable[i] < least:
                usable[i] = 0
        return usable or [0] * len(self.units)


def _sizes(layouts: Iterable[summary.Layout]) -> dict[str, int]:
    """Tell what one unit of each class takes: the least of any."""
    sizes = {orc.PGPU: summary.CARD}
    for part in itertools.chain.from_iterable(x.parts for x in layouts):
        rc = part.resource_class
        sizes[rc] = min(part.size, sizes.get(rc, part.size))
        sizes[orc.VGPU] = min(part.size, sizes.get(orc.VGPU, part.size))
    return sizes


_Shape = tuple[int, int, str, int]


def _weights(
    requests: Mapping[summary.Request, int], sizes: Mapping[str, int]
) -> dict[_Shape, float]:
    """Weigh shapes (CPUs, MiB, class, how many of it), the heaviest first."""
    shapes: Counter[_Shape] = Counter()
    for request, times in requests.items():
        for rc, count in request.units:
            if rc in sizes:
                shapes[request.vcpus, request.memory_mb, rc, count] += times
    # A class that nobody has yet may be asked for as well.
    for rc in sizes:
        shapes[1, 1, rc, 1] += 1
    weights = {
        shape: times * math.sqrt(sizes[shape[2]] * shape[3])
        for shape, times in shapes.items()
    }
    most = heapq.nlargest(MOST, weights, key=weights.__getitem__)
    total = sum(weights[shape] for shape in most)
    return {shape: weights[shape] / total for shape in most}


def _typical(
    unit: tuple[str, int], weights: Mapping[_Shape, float], size: int
) -> tuple[Typical, ...]:
    """List the requests for a unit, those with few CPUs first."""
    return tuple(
        Typical(
            weight / summary.CARD,
            vcpus,
            memory,
            size * count / max(1, vcpus),
            size * count / max(1, memory),
        )
        for (vcpus, memory, rc, count), weight in sorted(weights.items())
        if (rc, count) == unit
    )
