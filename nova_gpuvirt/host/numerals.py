"""Read the numbers that kernels and commands print.

`int` takes more than they print (signs, blanks, digits of any script), and
raises for more digits than Python likes.
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r'[0-9]{1,19}')
_HEXADECIMAL = re.compile(r'0[xX][0-9a-fA-F]{1,16}')


def decimal(text: str | None) -> int | None:
    """Read a decimal number of 64 bits, None for anything else: ``N/A``."""
    return int(text) if text and _DECIMAL.fullmatch(text) else None


def hexadecimal(text: str | None) -> int | None:
    """Read a number of 64 bits with ``0x`` before it, None for all else."""
    return int(text, 16) if text and _HEXADECIMAL.fullmatch(text) else None
