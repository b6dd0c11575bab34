"""What was handed out a moment ago, and no host has told of yet.

Placement knows what was taken of a class, but not what that leaves of the
other classes of the card; and Nova tries one candidate of a host only. So
servers that are placed in the same second would meet on the same card.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate

# A host tells of a claim within seconds, or the build has failed.
_SECONDS = 60.0


class _Note(NamedTuple):
    """A part that was handed out, and when.

    `mark` is what the host tells once the instance has arrived, None where
    it told so already: of an earlier arrival.
    """

    since: float
    mark: str | None
    part: candidate.Part


class HandedOut:
    """What this process has handed out of each provider, newest last.

    A note is good until the host tells that its instance has arrived: others
    that arrive may have been sent by another nova-scheduler. That the claim
    may have ended since changes nothing. It is kept for longer: of two
    requests at once, one may have been told less.

    Requests are served in several threads. The notes are never changed: who
    holds the lock puts others in their place.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._notes: Mapping[str, Sequence[_Note]] = {}

    def note(
        self,
        told: summary.Summary,
        instance: str,
        parts: Iterable[candidate.Part],
    ) -> None:
        """Note what was handed out.

        :param told: what the host told when it was chosen
        :param instance: the UUID of the instance that gets it
        """
        with self._lock:
            now = self._clock()
            notes = {
                provider: young
                for provider, each in self._notes.items()
                if (young := [n for n in each if n.since > now - _SECONDS])
            }
            mark: str | None = summary.mark(instance)
            if mark in told.arrived:
                mark = None
            for part in parts:
                notes[part.provider] = [
                    *notes.get(part.provider, []),
                    _Note(now, mark, part),
                ]
            self._notes = notes

    def is_clear(self, providers: Iterable[str]) -> bool:
        """Tell at once that nothing was handed out of these."""
        return self._notes.keys().isdisjoint(providers)

    def pending(self, told: summary.Summary) -> tuple[candidate.Part, ...]:
        """List what was handed out of a host, and it does not tell of yet."""
        notes = self._notes
        oldest = self._clock() - _SECONDS
        return tuple(
            note.part
            for provider in _providers(told)
            if provider in notes
            for note in notes[provider]
            if note.since > oldest and note.mark not in told.arrived
        )


def _providers(told: summary.Summary) -> Iterator[str]:
    yield from (card.provider for card in told.cards)
    yield from (sets.provider for sets in told.sets)
