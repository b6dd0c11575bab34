"""Parse what is written to a file of sysfs as the kernel does.

Source: the kernel's lib/kstrtox.c.
"""

from __future__ import annotations

import errno
import re

from nova_gpuvirt.simulation.files.refusal import refusal


def number(text: str, bits: int = 32) -> int:
    """Parse a number as kstrtouint with base 0 does.

    :raises OSError: EINVAL for what is no number, ERANGE for too large a one
    """
    digits = text.removesuffix('\n').removeprefix('+')
    for pattern, base in (
        (r'0[xX][0-9a-fA-F]+', 16),
        (r'0[0-7]*', 8),
        (r'[1-9][0-9]*', 10),
    ):
        if re.fullmatch(pattern, digits):
            value = int(digits, base)
            if value >= 1 << bits:
                raise refusal(errno.ERANGE, f'{text!r} has over {bits} bits')
            return value
    raise refusal(errno.EINVAL, f'{text!r} is no number')


def truth(text: str) -> bool:
    """Parse a truth value as kstrtobool does.

    :raises OSError: EINVAL for anything else
    """
    match = re.match(r'(?i)(1|y|t|on)|(0|n|f|of)', text)
    if match is None:
        raise refusal(errno.EINVAL, f'{text!r} is neither true nor false')
    return match[1] is not None
