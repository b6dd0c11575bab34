"""Whether each host and card fits, or why not, and what would help. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nova_gpuvirt import model
from nova_gpuvirt.explain import changes
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import obstacles
from nova_gpuvirt.explain import views
from nova_gpuvirt.explain import wanted as wanted_
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import rules

# By the number of what is asked of one card, and by the card: what is in
# the way.
_Found = list[dict[str, list[obstacles.Obstacle]]]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """The answer for one card, or without one for a host as a whole.

    `change` is what alone would make it fit.
    """

    host: str
    card: str | None
    model: str
    fits: bool
    reasons: tuple[str, ...] = ()
    change: changes.Change | None = None


def rows(
    fleet: hosts_.Fleet,
    hosts: Iterable[hosts_.Host],
    wanted: wanted_.Wanted,
    candidates: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[Row, ...]:
    """Answer for each of these hosts and its cards.

    :param candidates: Placement's allocation requests, by host's UUID
    """
    return tuple(
        row
        for host in hosts
        for row in _Case(
            fleet, wanted, host, candidates.get(host.uuid, ())
        ).rows()
    )


def last_word(flavor: str, answers: Iterable[Row]) -> str:
    """Say in one line where the flavor fits, or what would make it fit."""
    answers = tuple(answers)
    fitting = [row for row in answers if row.fits]
    if fitting:
        hosts = len({row.host for row in fitting})
        return (
            f'{flavor} fits: {_count(len(fitting), "card")} '
            f'of {_count(hosts, "host")}.'
        )
    if not answers:
        return (
            f'{flavor} does not fit: Placement has no provider of a GPU; see '
            'that nova-compute runs with gpuvirt.GpuLibvirtDriver.'
        )
    known = [row.change for row in answers if row.change is not None]
    if not known:
        return f'{flavor} does not fit, and no single change would do.'
    return f'{flavor} does not fit. To make it fit: {min(known).text}.'


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


class _Case:
    """One request, and one host."""

    def __init__(
        self,
        fleet: hosts_.Fleet,
        wanted: wanted_.Wanted,
        host: hosts_.Host,
        candidates: Sequence[Mapping[str, Any]],
    ) -> None:
        self._host = host
        self._asks = wanted.of_gpus
        view = views.view_of(host)
        choices = [candidate.parts(c, view.providers) for c in candidates]
        refusals = [rules.refusal(view, parts) for parts in choices]
        self._used = {
            part.provider
            for parts, refusal in zip(choices, refusals, strict=True)
            if refusal is None
            for part in parts
        }
        self._found: _Found = [
            {
                card.uuid: [*obstacles.of_card(host, card, ask, view, fleet)]
                for card in host.cards
            }
            for ask in self._asks
        ]
        self._of_host = [*obstacles.of_service(host)]
        if not candidates:
            self._of_host += obstacles.of_host(host, wanted, fleet)
        self._fits = bool(self._used) and not self._of_host
        self._together: list[str] = []
        if not self._used and not self._of_host:
            self._together += self._why_not_together(refusals)
        # A set is of no interest to who wants cards, and cards to who
        # wants a set.
        kinds = {_wants_set(ask) for ask in self._asks}
        self._shown = [c for c in host.cards if c.is_fabric in kinds]

    def _why_not_together(
        self, refusals: Sequence[str | None]
    ) -> Iterator[str]:
        """Say what no card alone can tell."""
        clear = self._clear()
        unmet = [
            _label(ask)
            for ask, cards in zip(self._asks, clear, strict=True)
            if not cards
        ]
        if unmet:
            if len(self._asks) > 1:
                yield f'no card of it fits {", ".join(unmet)}'
        elif refusals:
            yield from dict.fromkeys(filter(None, refusals))
        elif _placed(clear) < len(self._asks):
            yield (
                f'its cards fit {_placed(clear)} of '
                f'{len(self._asks)} groups at once'
            )
        else:
            yield "Placement has no candidate: see nova-scheduler's log"

    def _clear(self) -> list[set[str]]:
        """List the cards that have nothing in the way, for each ask."""
        return [
            {card for card, found in cards.items() if not found}
            for cards in self._found
        ]

    def rows(self) -> Iterator[Row]:
        """Answer for the host, where that is not as its cards, and these."""
        reasons = [each.reason for each in self._of_host] + self._together
        if reasons:
            yield Row(
                self._host.name,
                None,
                '',
                False,
                tuple(reasons),
                self._change_of_host(),
            )
        for card in self._shown:
            fits = self._fits and card.uuid in self._used
            yield Row(
                self._host.name,
                card.device,
                card.model,
                fits,
                () if fits else self._reasons(card),
                None if fits else self._change_of(card),
            )

    def _reasons(self, card: hosts_.Provider) -> tuple[str, ...]:
        found = [cards[card.uuid] for cards in self._found]
        if not all(found):
            return ('nothing of its own: see the host',)
        of_asks: dict[str, list[str]] = {}
        for ask, obstacles_ in zip(self._asks, found, strict=True):
            for each in obstacles_:
                of_asks.setdefault(each.reason, []).append(_label(ask))
        if len(self._asks) == 1:
            return tuple(of_asks)
        return tuple(
            f'{", ".join(labels)}: {reason}'
            for reason, labels in of_asks.items()
        )

    def _change_of_host(self) -> changes.Change | None:
        if len(self._of_host) == 1 and _placed(self._clear()) == len(
            self._asks
        ):
            return self._of_host[0].change
        return None

    def _change_of(self, card: hosts_.Provider) -> changes.Change | None:
        """Find what would let this card take one of what is asked for."""
        if self._of_host:
            return None
        clear = self._clear()
        known = []
        for i, cards in enumerate(self._found):
            found = cards[card.uuid]
            if len(found) != 1 or found[0].change is None:
                continue
            others = [c - {card.uuid} for j, c in enumerate(clear) if j != i]
            if _placed(others) == len(others):
                known.append(found[0].change)
        return min(known, default=None)


def _wants_set(ask: wanted_.Group) -> bool:
    return any(rc.startswith(model.SET_CLASS) for rc in ask.resources)


def _label(ask: wanted_.Group) -> str:
    if ask.suffix:
        return f'resources{ask.suffix}'
    return f'resources:{next(iter(ask.resources))}'


def _placed(clear: Sequence[set[str]]) -> int:
    """Count for how many there is a card each: a largest matching."""
    owner: dict[str, int] = {}

    def place(ask: int, seen: set[str]) -> bool:
        for card in sorted(clear[ask] - seen):
            seen.add(card)
            if card not in owner or place(owner[card], seen):
                owner[card] = ask
                return True
        return False

    return sum(place(ask, set()) for ask in range(len(clear)))
