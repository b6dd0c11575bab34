"""What nova-compute does to the world, step by step, and where it is killed.

A process is killed before the world sees a step of its, or when the step is
done and before the process knows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator


class Killed(Exception):
    """Its process is dead: nobody waits for an answer."""


class Moment(enum.Enum):
    """When a process is killed."""

    BEFORE = 'before'
    AFTER = 'after'


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing that the nova-compute of a host does to the world.

    :ivar name: what it is: ``libvirt Connection.defineXML``
    :ivar number: which of that name on that host, from 1
    """

    host: str
    name: str
    number: int

    def __str__(self) -> str:
        return f'{self.name}#{self.number}@{self.host}'


class Gate:
    """Let steps pass, count them, and kill at one of them."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._passed: list[Step] = []
        self._is_watching = False
        self._target: tuple[Step, Moment] | None = None
        self._dead: set[int] = set()

    def watch(self, target: tuple[Step, Moment] | None = None) -> None:
        """Begin to count.

        :param target: where to kill, None to kill nobody
        """
        with self._lock:
            self._counts.clear()
            self._passed.clear()
            self._target = target
            self._is_watching = True

    def end(self) -> tuple[Step, ...]:
        """End to count, and tell which steps have passed."""
        with self._lock:
            self._is_watching = False
            self._target = None
            return tuple(self._passed)

    @property
    def has_killed(self) -> bool:
        """Tell whether the step was reached at which to kill."""
        with self._lock:
            return self._is_watching and self._target is None

    @property
    def count(self) -> int:
        """Tell how many steps have passed since it began to count."""
        with self._lock:
            return len(self._passed)

    def kill(self, pid: int) -> None:
        """Kill a process now."""
        with self._lock:
            self._kill(pid)

    def is_dead(self, pid: int | None) -> bool:
        """Tell whether a process was killed here."""
        with self._lock:
            return pid in self._dead

    @contextlib.contextmanager
    def passed(self, host: str, pid: int, name: str | None) -> Iterator[None]:
        """Let a process take a step, or only read.

        :param name: the step's, None for what only reads
        :raises Killed: when the process is dead
        """
        step = self._count(host, pid, name)
        self._kill_at(step, pid, Moment.BEFORE)
        yield
        self._kill_at(step, pid, Moment.AFTER)

    def _count(self, host: str, pid: int, name: str | None) -> Step | None:
        with self._lock:
            if pid in self._dead:
                raise Killed
            if name is None or not self._is_watching:
                return None
            self._counts[host, name] += 1
            step = Step(host, name, self._counts[host, name])
            self._passed.append(step)
            return step

    def _kill_at(self, step: Step | None, pid: int, moment: Moment) -> None:
        with self._lock:
            if step is not None and self._target == (step, moment):
                self._target = None
                self._kill(pid)
            if pid in self._dead:
                raise Killed

    def _kill(self, pid: int) -> None:
        self._dead.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
