"""What a nova-compute in another process is asked to do and to tell."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any

NAME = 'orders'

# How long a look for an order waits, in seconds, and one for its answer.
_PAUSE = 0.5
# How long an order may take: a start on a busy machine.
_SECONDS = 120.0
STARTED = 0
"""The number of the first order, which is to start."""


class Failed(Exception):
    """An order could not be obeyed; the text says why."""


class Orders:
    """The side of who gives orders.

    :param is_over: tells whether the process has ended
    """

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._numbers = itertools.count(STARTED + 1)
        self._given: queue.Queue[Any] = queue.Queue()
        self._answers: dict[int, tuple[bool, Any]] = {}
        self._answered = threading.Condition()

    def step(self, name: str, args: tuple[Any, ...]) -> None:
        """Change nothing."""

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Ask for an order, or answer one."""
        return getattr(self, name)(*args)

    def next(self) -> Any:
        """Wait a little for an order."""
        try:
            return self._given.get(timeout=_PAUSE)
        except queue.Empty:
            return None

    def answer(self, number: int, is_well: bool, value: Any) -> None:
        """Take the answer to an order."""
        with self._answered:
            self._answers[number] = is_well, value
            self._answered.notify_all()

    def give(self, name: str, *args: Any) -> Any:
        """Give an order, and wait until it is obeyed.

        :raises Failed: when it is not, or the process has ended
        """
        number = next(self._numbers)
        self._given.put((number, name, args))
        return self.wait(number)

    def wait(self, number: int) -> Any:
        """Wait until an order is obeyed, and return its answer.

        :raises Failed: when it is not, or the process has ended
        """
        with self._answered:
            for _ in range(int(_SECONDS / _PAUSE)):
                if number in self._answers:
                    is_well, value = self._answers.pop(number)
                    if is_well:
                        return value
                    raise Failed(value)
                if self._is_over():
                    raise Failed('the process has ended')
                self._answered.wait(_PAUSE)
        raise Failed(f'no answer in {_SECONDS:g} s')
