"""The cards of one host, as the scheduler sees them for one request."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand as demand_
from nova_gpuvirt.scheduler import effects as effects_
from nova_gpuvirt.scheduler import host_value as host_value_

Parts = tuple[candidate.Part, ...]

# Of so many requests the costs are kept, for the next that is alike.
_REQUESTS = 8
# Choices that are kept, of those that take of a set or twice of one card.
_RARE = 32


class View:
    """The cards and sets of one host, and what each choice would leave.

    It is good for as long as the host's summary stays the same.

    :ivar unused: the millionths of cards that are left
    """

    def __init__(self, told: summary.Summary, demand: demand_.Demand) -> None:
        self.summary = told
        self.demand = demand
        self.cards = {card.provider: card for card in told.cards}
        self.sets = {sets.provider: sets for sets in told.sets}
        self.providers: dict[str, object] = {**self.cards, **self.sets}
        self.unused = sum(c.unused for c in told.cards)
        self._value: tuple[float, float, float] | None = None
        self._rare: dict[Parts, effects_.Effect] = {}
        self._costs: dict[Hashable, dict[effects_.Effect, float]] = {}

    @functools.cached_property
    def states(self) -> Mapping[str, effects_.State]:
        """The states of the cards, by provider."""
        return {
            provider: self.demand.state(card)
            for provider, card in self.cards.items()
        }

    @functools.cached_property
    def usable(self) -> Sequence[int]:
        """What typical requests could use of the cards now."""
        return self.demand.usable(self.states.values())

    def value(self, vcpus: float, memory_mb: float) -> float:
        """Tell what the host is worth with so many CPUs and MiB left."""
        known = self._value
        if known is None or known[:2] != (vcpus, memory_mb):
            found = host_value_.HostValue(
                self.demand, self.usable, vcpus, memory_mb
            )
            known = self._value = vcpus, memory_mb, found.now
        return known[2]

    def costs(self, request: Hashable) -> dict[effects_.Effect, float]:
        """Give the costs that were found for requests of one shape.

        They are to be added to.
        """
        known = self._costs.get(request)
        if known is None:
            if len(self._costs) >= _REQUESTS:
                self._costs.clear()
            known = self._costs[request] = {}
        return known

    def touched(
        self, part: candidate.Part
    ) -> tuple[tuple[summary.Card, str, int], ...]:
        """List the cards that a part takes something of, and what.

        Which of the free sets the host will take is not known before: it is
        the first one here.
        """
        card = self.cards.get(part.provider)
        if card is not None:
            return ((card, part.resource_class, part.units),)
        free = self.sets[part.provider].free.get(part.resource_class, ())
        return tuple(
            (self.summary.cards[index], orc.PGPU, 1)
            for each in free[: part.units]
            for index in each
        )

    def shows(self, parts: Parts) -> bool:
        """Tell whether a console can show one of these."""
        return any(
            card.layout.parts[index].has_screen
            for part in parts
            if (card := self.cards.get(part.provider)) is not None
            and (index := card.part(part.resource_class)) is not None
        )

    def apart(self, parts: Parts) -> int:
        """Count the NUMA nodes and switches that a choice's cards are at.

        It is 0 for one card, and for a set, which the host chooses.
        """
        if len(parts) == 1:
            return 0
        touched = [c for part in parts for c, _, _ in self.touched(part)]
        return len({(card.numa_node, card.switch) for card in touched})

    def effect(self, parts: Parts) -> effects_.Effect:
        """Find what a choice does to the host's cards."""
        states = self.states
        try:
            if len(parts) == 1:
                ((provider, rc, units),) = parts
                return states[provider].effects[rc, units]
            if len({part.provider for part in parts}) == len(parts):
                return self.demand.together(
                    tuple([states[p].effects[rc, n] for p, rc, n in parts])
                )
        except KeyError:
            pass  # It takes of a set.
        known = self._rare.get(parts)
        if known is None:
            if len(self._rare) >= _RARE:
                self._rare.clear()
            known = self._rare[parts] = self._one_by_one(parts)
        return known

    def _one_by_one(self, parts: Parts) -> effects_.Effect:
        """Find it where parts are of the same card, or of a set."""
        now: dict[str, summary.Card] = {}
        effects = []
        for part in parts:
            for card, rc, count in self.touched(part):
                card = now.get(card.provider, card)
                effects.append(self.demand.state(card).effects[rc, count])
                now[card.provider] = cards.take(card, rc, count)
        together = self.demand.together(tuple(effects))
        # Whether a guest can have it takes a closer look.
        return dataclasses.replace(together, fits=False)

    def with_taken(self, parts: Parts) -> View:
        """Look at the host as it would be when these are taken as well."""
        if not parts:
            return self
        changed = dict(self.cards)
        for part in parts:
            for card, rc, count in self.touched(part):
                now = changed[card.provider]
                changed[card.provider] = cards.take(now, rc, count)
        return View(
            summary.Summary(tuple(changed.values()), self.summary.sets),
            self.demand,
        )
