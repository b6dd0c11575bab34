"""Calls that are not waited for without end: libvirt's, and a kernel's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any
from typing import TypeVar

_T = TypeVar('_T')


class OneByOne:
    """Calls of which the next of a name is not made while one has not ended.

    So what stands in a kernel for good takes one thread, and no more. A call
    may block, as a read of a file does: where eventlet has made all threads
    green, it gets a native one. The process stands still for as long as that
    is waited for, and no longer.
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
            call,
            seconds,
            lambda left: self._pending.update({name: left}),
            _native_thread(),
        )


def in_time(call: Callable[[], _T], seconds: float) -> _T:
    """Call, and return what that returns, or raise what it raises.

    What does not end in time is left behind, in a thread that ends with the
    program. Where that thread is a green one of eventlet's, the bound holds
    for a call that yields, such as one that waits for a socket.

    :raises TimeoutError: when it does not end in time
    """
    return _in_time(call, seconds, lambda _: None)


def _in_time(
    call: Callable[[], _T],
    seconds: float,
    leave: Callable[[threading.Thread], None],
    kind: type[threading.Thread] = threading.Thread,
) -> _T:
    """Call, and hand on the thread that is left behind."""
    found: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            raised.append(error)

    thread = kind(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    # One that ends just now has not ended in time.
    if thread.is_alive() or not (found or raised):
        leave(thread)
        raise TimeoutError(f'no answer within {seconds:g} seconds')
    if raised:
        raise raised[0]
    return found[0]


def _native_thread() -> type[threading.Thread]:
    """Tell the kind of thread that the kernel runs, also under eventlet.

    Nova 33 runs in it, and there `threading` means green threads: one that
    blocks stops all others, who waits for it among them.
    """
    patcher: Any = sys.modules.get('eventlet.patcher')
    if patcher is None or not patcher.is_monkey_patched('thread'):
        return threading.Thread
    kind: type[threading.Thread] = patcher.original('threading').Thread
    return kind
