"""Say what is being done, and how long it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Time what is done within, and print a line of it: seconds, and what."""
    begin = time.monotonic()
    outcome = 'failed: '
    try:
        yield
        outcome = ''
    finally:
        seconds = time.monotonic() - begin
        # In one piece, since several may end at once.
        line = f'{seconds:7.1f} s  {outcome}{what}\n'
        print(line, end='', flush=True)
