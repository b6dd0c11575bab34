"""Inputs that are long, or deep: reading them may not take without end."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz import mutation
from fuzz import target as target_

_RUNS = (
    *(
        b' ',
        b'\n',
        b'\t',
        b'a',
        b'A',
        b'9',
        b'0',
        b'-',
        b':',
        b',',
        b'|',
        b'=',
    ),
    *(b'a ', b'a=', b'a:', b'a: ', b'a\n', b' \n', b'\n ', b'a b\n', b'0x'),
    *(
        b'[',
        b'{',
        b'(',
        b'{"a":',
        b'[1,',
        b'<a>',
        b'<a/>',
        b'&a',
        b'- ',
        b'? ',
    ),
    *(b'"', b"'", b'\\', b'/', b'../', b'.', b'+', b'@', b'_', b'=', b'?'),
    *(b'\0', b'\xff', b'\xc3', '٣'.encode(), '\u2028'.encode()),
)


def of(target: target_.Target) -> Iterator[bytes]:
    """Make them for a target, of what makes sense for it."""
    size = target.longest
    for run in (*_RUNS, *mutation.TOKENS):
        yield repeated(run, size)
    # One input of each form: those of hosts are many and alike.
    forms = sorted({seed[:12]: seed for seed in target.seeds()}.values())
    for seed in forms[:6]:
        yield repeated(seed, size)
        yield repeated(seed.strip() + b'\n', size)
        first = seed.partition(b'\n')[0]
        for word in first.split()[:4]:
            yield repeated(word, size)
            yield repeated(word + b' ', size)
            yield repeated(word + b'\n', size)
        for place in sorted({len(first) * n // 5 for n in range(1, 6)}):
            for run in (b' ', b'a', b'9', b'\n'):
                yield seed[:place] + repeated(run, size) + seed[place:]


def repeated(piece: bytes, size: int) -> bytes:
    """Repeat a piece for about so many bytes."""
    return piece * (size // len(piece)) if piece else b''
