"""Which program loads another (elf(5)): one linked statically needs none."""

from __future__ import annotations

import pathlib
import struct

# What both a class and a byte order give: 64 bits, little-endian.
_START = b'\x7fELF\x02\x01'
_HEADER = struct.Struct('<32xQ14xHH6x')
_PROGRAM_HEADER = struct.Struct('<I4xQ16xQ16x')
_INTERP = 3


def interpreter(path: pathlib.Path) -> str | None:
    """Read the dynamic loader of a program, None where it needs none.

    :raises OSError: when the file can't be read
    :raises ValueError: when it is no program of 64 bits, as all hosts have
    """
    return interpreter_of(path.read_bytes())


def interpreter_of(content: bytes) -> str | None:
    """Read the dynamic loader from the bytes of a program.

    :raises ValueError: when they are no program of 64 bits
    """
    if not content.startswith(_START):
        raise ValueError('no ELF file of 64 bits')
    try:
        offset, size, count = _HEADER.unpack_from(content)
        for number in range(count):
            kind, start, length = _PROGRAM_HEADER.unpack_from(
                content, offset + number * size
            )
            if kind == _INTERP:
                name = content[start : start + length]
                return name.rstrip(b'\0').decode(errors='replace')
    except struct.error as error:
        raise ValueError(f'an ELF file that ends early: {error}') from error
    return None
