"""Calls that are not waited for without end: libvirt's, and a kernel's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar('_T')


def in_time(call: Callable[[], _T], seconds: float) -> _T:
    """Call, and return what that returns, or raise what it raises.

    What does not end in time is left behind, in a thread that ends with the
    program.

    :raises TimeoutError: when it does not end in time
    """
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
        raise TimeoutError(f'no answer within {seconds:g} seconds')
    if raised:
        raise raised[0]
    return found[0]
