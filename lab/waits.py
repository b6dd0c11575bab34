"""Wait for something, with bounds that follow the machine.

A bound is in seconds of a machine with little to do. Where more processes
want to run than there are cores, as the load average of the last minute says,
it gets as much longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from lab import exception

_PAUSE = 0.2


class Bound:
    """A bound on a wait, which begins when it is made."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begin = self._last = time.monotonic()
        self._spent = 0.0

    def __str__(self) -> str:
        real = self._last - self._begin
        text = f'{real:.0f} s'
        if real > self._spent + 1:
            text += f' ({self._spent:.0f} s of a machine with little to do)'
        return text

    def is_over(self) -> bool:
        """Tell if so many seconds have passed."""
        now = time.monotonic()
        self._spent += (now - self._last) / slowness()
        self._last = now
        return self._spent > self._seconds


def slowness() -> float:
    """Say how often longer things take now than with little to do."""
    cores = len(os.sched_getaffinity(0))
    return max(1.0, os.getloadavg()[0] / cores)


def until(
    check: Callable[[], bool],
    seconds: float,
    what: str,
    pause: float = _PAUSE,
) -> None:
    """Wait until something holds.

    :param seconds: of a machine with little to do
    :param pause: seconds between two checks

    :raises NotReady: when it does not within so many seconds
    """
    bound = Bound(seconds)
    while not check():
        if bound.is_over():
            raise exception.NotReady(f'waited {bound} for {what}')
        time.sleep(pause)
