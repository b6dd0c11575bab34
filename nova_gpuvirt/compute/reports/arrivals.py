"""Which instances have arrived on this host a moment ago. Pure.

Nova's tracker forgets and reads anew what is here, in each periodic update.
So what is new is told by what was here before.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from collections.abc import Mapping

# A scheduler's note lasts so long from its choice, and the instance arrives
# after that: nobody waits for one that arrived earlier.
_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Arrival:
    """When an instance arrived, and by which move, if it was one."""

    since: float
    move: str | None


class Arrivals:
    """The instances that are here, and when each was first seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Newest last, so that the same ones are told in the same order.
        self._seen: Mapping[str, _Arrival] | None = None

    def young(self, now_there: Mapping[str, str | None]) -> tuple[str, ...]:
        """List those that have arrived in the last minute, newest last.

        Those of the first call are old: they were here before. A new move of
        one that is here is an arrival too: a resize within the host.

        :param now_there: what moves here, by the UUID of each instance that
            is here or on its way: the move's UUID, None where it does not
            move
        """
        now = self._clock()
        before = self._seen or {}
        stay = {
            instance: arrival
            for instance, arrival in before.items()
            if instance in now_there
            and now_there[instance] in (None, arrival.move)
        }
        since = float('-inf') if self._seen is None else now
        self._seen = stay | {
            instance: _Arrival(since, now_there[instance])
            for instance in sorted(now_there.keys() - stay.keys())
        }
        return tuple(
            instance
            for instance, arrival in self._seen.items()
            if arrival.since > now - _SECONDS
        )
