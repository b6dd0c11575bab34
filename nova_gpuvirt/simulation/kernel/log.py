"""The kernel's log, as ``/dev/kmsg`` gives it.

Source: Documentation/ABI/testing/dev-kmsg of the kernel. A record stays until
the kernel needs its place.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator

_ERROR = 3  # KERN_ERR
_MOST = 10_000


class Log:
    """The records of a running host."""

    def __init__(self) -> None:
        self._records: collections.deque[bytes] = collections.deque(
            maxlen=_MOST
        )
        self._next = 0
        self.say('Linux version 6.8.0-31-generic')

    def say(self, text: str, *, facility: int = 0) -> None:
        """Add a record, of the kernel's own or of who writes to the node."""
        escaped = ''.join(
            c if c.isprintable() else f'\\x{ord(c):02x}' for c in text
        )
        head = f'{facility << 3 | _ERROR},{self._next},{self._next * 1000},-'
        self._records.append(f'{head};{escaped}\n'.encode())
        self._next += 1

    def records(self) -> Iterator[bytes]:
        """Give the records that are there, from the oldest on."""
        yield from tuple(self._records)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return f'\\x{ord(character):02x}'
