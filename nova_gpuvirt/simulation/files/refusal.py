"""How a kernel refuses a write."""

from __future__ import annotations

import os


def refusal(number: int, why: str) -> OSError:
    """Make the error of a refused write.

    Its note says what the kernel's log would; the error itself says no more
    than a real write's would.
    """
    error = OSError(number, os.strerror(number))
    error.add_note(why)
    return error
