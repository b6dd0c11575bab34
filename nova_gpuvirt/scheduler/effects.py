"""What taking something of a card changes of what can be used. Pure.

Cards in the same state are alike: what was found for one holds for all. What
can be used is counted in millionths of a card, so that sums are exact.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import cards


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What taking something does to cards in some states.

    There is one for all cards in these states, so that what was found for
    one holds for all. None is like another.

    :ivar unused: the millionths of these cards that were left, on average
    :ivar taken: how many millionths are taken
    :ivar change: how much each unit's usable millionths change
    :ivar fits: whether one guest can have it
    :ivar is_picky: whether it matters what else the guest has
    """

    unused: float
    taken: int
    change: tuple[int, ...]
    fits: bool
    is_picky: bool = False


class State:
    """A state that cards are in, and what can be used of them then.

    :ivar usable: the millionths that requests for each unit could use
    :ivar effects: what taking so many units of a class does, by these
    """

    def __init__(
        self, card: summary.Card, units: Sequence[tuple[str, int]]
    ) -> None:
        self.usable = tuple(
            card.unused
            if cards.room(card, rc) >= (1 if rc == orc.PGPU else count)
            else 0
            for rc, count in units
        )
        self.effects = _Effects(card, self.usable, units)


class _Effects(dict[tuple[str, int], Effect]):
    """Effects by class and count, each found when it is looked up first."""

    def __init__(
        self,
        card: summary.Card,
        usable: tuple[int, ...],
        units: Sequence[tuple[str, int]],
    ) -> None:
        self._card = card
        self._usable = usable
        self._units = units

    def __missing__(self, key: tuple[str, int]) -> Effect:
        card = self._card
        rc, count = key
        taken = cards.take(card, rc, count)
        after = State(taken, self._units)
        part = card.part(rc)
        of = None if part is None else card.layout.parts[part]
        limit = of.limit if of else None
        self[key] = effect = Effect(
            card.unused,
            card.unused - taken.unused,
            tuple(map(operator.sub, after.usable, self._usable)),
            count <= cards.room(card, rc)
            and (limit is None or count <= limit),
            bool(of and of.series),
        )
        return effect
