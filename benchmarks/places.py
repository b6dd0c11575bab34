"""Place vGPUs of mixed sizes on one card, as we do and as the driver does.

Requests come and go: each is for a random size, and stays for a random while.
What has no place is refused. The driver takes
the first free place (NVIDIA's open-gpu-kernel-modules, kernel_vgpu_mgr.c); we
take the one that leaves most to the largest. Both see the same requests. The
places are those of NVIDIA's guide, and since Blackwell those that its driver
computes.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import heapq
import random
import statistics
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from benchmarks import command
from benchmarks import table
from nova_gpuvirt.cards import placements
from nova_gpuvirt.simulation.drivers import nvidia_places

# How much is asked for at a time, in terms of the card's memory.
_LOADS = (0.8, 1.3)
_Choose = Callable[[placements.Bits, int], int | None]


@dataclasses.dataclass(frozen=True, slots=True)
class _Card:
    """A card: its memory in GB, and the places of its types, by GB."""

    name: str
    memory: int
    places: dict[int, placements.Bits]

    def kinds(self) -> Sequence[placements.Bits]:
        return placements.largest_first(self.places.values())


def _card(name: str, memory: int, *types: tuple[int, int | None]) -> _Card:
    """Describe a card.

    :param types: GB, and since Blackwell how many of them it holds
    """
    found = {}
    for gib, most in types:
        places = (
            nvidia_places.before_blackwell(memory, gib)
            if most is None
            else nvidia_places.since_blackwell(memory, gib, most)
        )
        found[gib] = tuple(
            placements.Place.of(None, i, places.size).bits for i in places.ids
        )
    return _Card(name, memory, found)


_CARDS = (
    _card(
        'RTX PRO 6000, 96 GB',
        96,
        *((4, 24), (8, 12), (12, 8), (16, 6), (24, 4), (32, 3), (48, 2)),
    ),
    _card(
        'H100 NVL, 94 GB',
        94,
        *((4, None), (6, None), (11, None), (15, None)),
        *((23, None), (47, None)),
    ),
    _card(
        'L40S, 48 GB',
        48,
        *((2, None), (4, None), (6, None), (8, None)),
        *((12, None), (16, None), (24, None)),
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--requests', type=int, default=2000, metavar='N')
    parser.add_argument('--seeds', type=int, default=5, metavar='N')


def run(args: argparse.Namespace) -> table.Table:
    """Serve the same requests in both ways."""
    rows = []
    for card in _CARDS:
        best = functools.cache(
            functools.partial(placements.best, card.kinds())
        )
        for load in _LOADS:
            ours, theirs = (
                [
                    1000 * statistics.fmean(each)
                    for each in zip(
                        *(
                            _served(card, choose, load, args.requests, seed)
                            for seed in range(args.seeds)
                        ),
                        strict=True,
                    )
                ]
                for choose in (best, placements.first)
            )
            rows += [
                table.Row(
                    f'{card.name}, {load:.0%} asked for: {what}',
                    'of 1000',
                    mine,
                    peer,
                    target,
                )
                for what, target, mine, peer in zip(
                    *(_WHAT, _TARGETS, ours, theirs), strict=True
                )
            ]
    return table.Table(
        'Requests of mixed sizes that get a vGPU; peer: the first free place',
        tuple(rows),
    )


_WHAT = ('vGPUs', 'GB', 'vGPUs of the largest size')
_TARGETS = (None, table.Target(table.Measure.RATIO, 1, at_least=True), None)


def _served(
    card: _Card, choose: _Choose, load: float, count: int, seed: int
) -> tuple[float, ...]:
    """Tell which fraction of the requests is served.

    :returns: of all vGPUs, of all GB, and of the vGPUs of the largest size
    """
    running: list[tuple[float, int]] = []
    taken = 0
    asked: Counter[int] = Counter()
    served: Counter[int] = Counter()
    for now, gib, until in _requests(card, load, count, seed):
        while running and running[0][0] <= now:
            taken &= ~heapq.heappop(running)[1]
        asked[gib] += 1
        place = choose(card.places[gib], taken)
        if place is not None:
            taken |= place
            served[gib] += 1
            heapq.heappush(running, (until, place))
    largest = max(card.places)
    return (
        served.total() / count,
        sum(gib * n for gib, n in served.items())
        / sum(gib * n for gib, n in asked.items()),
        served[largest] / asked[largest],
    )


def _requests(
    card: _Card, load: float, count: int, seed: int
) -> Iterator[tuple[float, int, float]]:
    """Give requests: when each comes, for how many GB, until when."""
    chance = random.Random(seed)
    sizes = sorted(card.places)
    # One stays for 1 on average.
    rate = load * card.memory / statistics.fmean(sizes)
    now = 0.0
    for _ in range(count):
        now += chance.expovariate(rate)
        yield now, chance.choice(sizes), now + chance.expovariate(1)


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
