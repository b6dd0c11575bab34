"""The GPUs of one host, as the scheduler sees them for one request."""

from __future__ import annotations

from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand as demand_

Parts = tuple[candidate.Part, ...]


class View:
    """The cards and sets of one host, and what each choice would leave.

    It is good for as long as the host's summary stays the same.
    """

    def __init__(self, told: summary.Summary, demand: demand_.Demand) -> None:
        self.summary = told
        self.demand = demand
        self.cards = {card.provider: card for card in told.cards}
        self.sets = {sets.provider: sets for sets in told.sets}
        self.providers: dict[str, object] = {**self.cards, **self.sets}
        self.cards_left = sum(c.unused for c in told.cards) / summary.CARD
        self._usable: Sequence[float] | None = None
        self._after: dict[Parts, tuple[Sequence[float], float]] = {}

    @property
    def usable(self) -> Sequence[float]:
        """What typical requests could use of the cards now."""
        if self._usable is None:
            self._usable = self.demand.total(
                self.demand.usable(card) for card in self.summary.cards
            )
        return self._usable

    def touched(
        self, part: candidate.Part
    ) -> tuple[tuple[summary.Card, str, int], ...]:
        """List the cards that a part takes something of, and what.

        Which of the free sets the host will take is not known before: it is
        the first one here.
        """
        card = self.cards.get(part.provider)
        if card is not None:
            return ((card, part.resource_class, part.count),)
        free = self.sets[part.provider].free.get(part.resource_class, ())
        return tuple(
            (self.summary.cards[index], orc.PGPU, 1)
            for each in free[: part.count]
            for index in each
        )

    def after(self, parts: Parts) -> tuple[Sequence[float], float]:
        """Tell what typical requests could still use after a choice.

        :return: that, and how many cards' worth the choice takes
        """
        try:
            return self._after[parts]
        except KeyError:
            found = self._after[parts] = self._look_after(parts)
            return found

    def _changed(self, parts: Parts) -> dict[str, summary.Card]:
        """Tell what the cards would be that a choice takes something of."""
        changed: dict[str, summary.Card] = {}
        for part in parts:
            for card, rc, count in self.touched(part):
                before = changed.get(card.provider, card)
                changed[card.provider] = cards.take(before, rc, count)
        return changed

    def _look_after(self, parts: Parts) -> tuple[Sequence[float], float]:
        usable = list(self.usable)
        taken = 0
        for provider, card in self._changed(parts).items():
            before = self.cards[provider]
            taken += before.unused - card.unused
            for i, (old, new) in enumerate(
                zip(
                    self.demand.usable(before),
                    self.demand.usable(card),
                    strict=True,
                )
            ):
                usable[i] += new - old
        return usable, taken / summary.CARD

    def with_taken(self, parts: Parts) -> View:
        """Look at the host as it would be when these are taken as well."""
        if not parts:
            return self
        left = self.cards | self._changed(parts)
        return View(
            summary.Summary(tuple(left.values()), self.summary.sets),
            self.demand,
        )
