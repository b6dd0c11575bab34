"""What was handed out a moment ago, and no host has told of yet.

Placement knows what was taken of a class, but not what that leaves of the
other classes of the card; and Nova tries one candidate of a host only. So
servers that are placed in the same second would meet on the same card.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import candidate

# A host tells of a claim within seconds, or the build has failed.
_SECONDS = 60.0

_Note = tuple[float, int, candidate.Part]


class HandedOut:
    """What this process has handed out of each provider, newest last.

    A note is good until the host tells of its claim: until the provider has
    had as many claims as it would have with this one. That the claim may
    have ended since changes nothing, since this count only grows.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notes: defaultdict[str, list[_Note]] = defaultdict(list)

    def note(
        self, told: summary.Summary, parts: Iterable[candidate.Part]
    ) -> None:
        """Note what was handed out.

        :param told: what the host told when it was chosen
        """
        for part in parts:
            pending = self._pending(told, part.provider)
            known = _claims(told, part.provider)
            count = sum(p.units for _, _, p in pending) + part.units
            pending.append((self._clock(), known + count, part))
            self._notes[part.provider] = pending

    def is_clear(self, providers: Iterable[str]) -> bool:
        """Tell at once that nothing was handed out of these."""
        return self._notes.keys().isdisjoint(providers)

    def pending(self, told: summary.Summary) -> Iterator[candidate.Part]:
        """List what was handed out of a host, and it does not tell of yet."""
        for provider in _providers(told):
            if provider in self._notes:
                notes = self._pending(told, provider)
                if notes:
                    self._notes[provider] = notes
                else:
                    self._notes.pop(provider, None)
                yield from (part for _, _, part in notes)

    def _pending(self, told: summary.Summary, provider: str) -> list[_Note]:
        """List the young notes whose claim is not among those told of."""
        known = _claims(told, provider)
        oldest = self._clock() - _SECONDS
        return [
            note
            for note in self._notes.get(provider, ())
            if note[0] > oldest and note[1] > known
        ]


def _providers(told: summary.Summary) -> Iterator[str]:
    yield from (card.provider for card in told.cards)
    yield from (sets.provider for sets in told.sets)


def _claims(told: summary.Summary, provider: str) -> int:
    """Count the claims that a provider has had, as its host tells."""
    counts = [c.claims for c in told.cards if c.provider == provider]
    counts += [s.claims for s in told.sets if s.provider == provider]
    return sum(counts)
