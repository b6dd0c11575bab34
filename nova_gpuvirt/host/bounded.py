"""Calls that are not waited for without end: libvirt's, and a kernel's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar('_T')


class OneByOne:
    """Calls of which the next of a name is not made while one has not ended.

    So what stands in a kernel for good takes one thread, and no more.
    """

    def __init__(self) -> None:
        self._pending: dict[object, threading.Thread] = {}

    def in_time(
        self, name: object, call: Callable[[], _T], seconds: float
    ) -> _T:
        """Call as `in_time` does.

        :raises TimeoutError: also where the last call of that name goes on
        """
        thread = self._pending.get(name)
        if thread is not None and thread.is_alive():
            raise TimeoutError('the last one has not ended')
        self._pending.pop(name, None)
        return _in_time(
            call, seconds, lambda left: self._pending.update({name: left})
        )


def in_time(call: Callable[[], _T], seconds: float) -> _T:
    """Call, and return what that returns, or raise what it raises.

    What does not end in time is left behind, in a thread that ends with the
    program.

    :raises TimeoutError: when it does not end in time
    """
    return _in_time(call, seconds, lambda _: None)


def _in_time(
    call: Callable[[], _T],
    seconds: float,
    leave: Callable[[threading.Thread], None],
) -> _T:
    """Call, and hand on the thread that is left behind."""
    found: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    # One that ends just now has not ended in time.
    if thread.is_alive() or not (found or raised):
        leave(thread)
        raise TimeoutError(f'no answer within {seconds:g} seconds')
    if raised:
        raise raised[0]
    return found[0]
