"""Where vGPUs of several sizes lie in the memory of a card.

A vGPU of a type takes so many units of memory, from one of the ids that its
type may begin at; no two overlap. So what fits is no matter of sums: on a
card of 94 GB six vGPUs of 15 GB would add up, and only four have a place
(NVIDIA's Virtual GPU Software User Guide, appendix A.3).

The memory of a card is written as one number, with a bit for each unit, and
so is each place.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import size_rules

# More units than any card or GPU instance has, and more of these than a card.
REACH = 1024
# So many states of the memory are looked at for one card, some 50 ms.
_STATES = 256

Bits = tuple[int, ...]
"""The free places of one type, in the driver's order."""

_Choose = Callable[[Bits, int], int | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A place for a vGPU.

    :ivar gpu_instance: of MIG, in which one; None without it
    :ivar start: the placement id
    :ivar bits: what it takes of the memory
    """

    gpu_instance: int | None
    start: int
    bits: int

    @classmethod
    def of(cls, gpu_instance: int | None, start: int, size: int) -> Place:
        """Make the place that begins at an id.

        :param size: how many units it takes
        """
        offset = 0 if gpu_instance is None else (gpu_instance + 1) * REACH
        return cls(gpu_instance, start, ((1 << size) - 1) << offset + start)

    @classmethod
    def whole(cls, gpu_instance: int) -> Place:
        """Make the place that takes all of a GPU instance."""
        return cls.of(gpu_instance, 0, REACH)


@dataclasses.dataclass(frozen=True, slots=True)
class Placements(size_rules.Common):
    """vGPUs of any sizes, each in one of the places of its type.

    In which order those that are pending are made, nobody knows: what is
    left is what fits whatever the order. Each goes to its first free place,
    where the driver chooses, or to the best one, where we do.

    :ivar free: by slug, the places that nothing lies in
    :ivar unplaced: of vGPUs that exist and lie nobody knows where, by slug
    :ivar chosen: whether we choose the place, None where nobody knows who does
    """

    free: Mapping[str, Bits]
    unplaced: Counter[str]
    chosen: bool | None

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        kinds = largest_first(self.free.values())
        orders = _Orders(
            kinds, functools.partial(best, kinds) if self.chosen else first
        )
        waiting = self._kinds(pending)
        hidden = self._kinds(self.unplaced)
        is_certain = self.chosen is not None and not hidden
        left = {}
        # What is exact for few is so for the largest.
        for profile in sorted(profiles, key=_size, reverse=True):
            kind = self.free.get(profile.slug, ())
            most = min(profile.available, len(kind))

            def fits(count: int, kind: Bits = kind) -> bool:
                wanted = waiting + Counter({kind: count})
                return _fit_anyhow(wanted, hidden) or (
                    is_certain and orders.fit(wanted)
                )

            left[profile.slug] = (
                bisect.bisect_left(
                    range(1, most + 1), True, key=lambda n: not fits(n)
                )
                if waiting or hidden
                else most
            )
        return {profile.slug: left[profile.slug] for profile in profiles}

    def _kinds(self, slugs: Counter[str]) -> Counter[Bits]:
        kinds = Counter[Bits]()
        for slug, count in slugs.items():
            kinds[self.free.get(slug, ())] += count
        return +kinds


def largest_first(kinds: Iterable[Bits]) -> tuple[Bits, ...]:
    """List the kinds that there are, those of the largest places first."""
    return tuple(
        sorted(
            {kind for kind in kinds if kind},
            key=lambda kind: (-kind[0].bit_count(), kind),
        )
    )


def first(kind: Bits, taken: int) -> int | None:
    """Choose as the driver does: the first free place."""
    return next((place for place in kind if not place & taken), None)


def best(kinds: Sequence[Bits], kind: Bits, taken: int) -> int | None:
    """Choose the place that leaves most to the largest, then to the next.

    :param kinds: all that may come, the largest first
    """

    def room(place: int) -> list[int]:
        now = taken | place
        return [sum(not p & now for p in other) for other in kinds]

    free = [place for place in kind if not place & taken]
    return max(free, key=room, default=None)


def _size(profile: model.Profile) -> int:
    return profile.framebuffer_mib or 0


@functools.lru_cache(maxsize=1024)
def _blocked(kind: Bits, other: Bits) -> int:
    """Count the places that one of another kind may take at most.

    One that has no place lies nobody knows where: it may take all.
    """
    return max(
        (sum(bool(p & place) for p in kind) for place in other),
        default=len(kind) + 1,
    )


def _fit_anyhow(wanted: Counter[Bits], hidden: Counter[Bits]) -> bool:
    """Tell whether these surely fit, wherever the others go."""
    beside = wanted + hidden
    return all(
        sum(n * _blocked(kind, other) for other, n in beside.items())
        <= len(kind)
        for kind in wanted
    )


class _Orders:
    """The orders in which vGPUs may be made, and whether all fit in each.

    :param kinds: all kinds that there are
    :param choose: finds the place of a kind in what is taken
    """

    def __init__(self, kinds: Sequence[Bits], choose: _Choose) -> None:
        self._kinds = kinds
        self._choose = functools.cache(choose)
        self._known: dict[tuple[int, tuple[int, ...]], bool] = {}

    def fit(self, wanted: Counter[Bits]) -> bool:
        """Tell whether they do; of too many to look at, they do not."""
        if not wanted.keys() <= {*self._kinds}:
            return False
        return self._fit(0, tuple(wanted[kind] for kind in self._kinds))

    def _fit(self, taken: int, wanted: tuple[int, ...]) -> bool:
        known = self._known.get((taken, wanted))
        if known is None:
            if len(self._known) >= _STATES:
                return False
            self._known[taken, wanted] = False
            known = self._known[taken, wanted] = all(
                self._fit_after(taken, wanted, i)
                for i, count in enumerate(wanted)
                if count
            )
        return known

    def _fit_after(self, taken: int, wanted: tuple[int, ...], i: int) -> bool:
        """Make the one of that index first, and then the others."""
        place = self._choose(self._kinds[i], taken)
        if place is None:
            return False
        less = (*wanted[:i], wanted[i] - 1, *wanted[i + 1 :])
        return self._fit(taken | place, less)
