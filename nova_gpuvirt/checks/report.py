"""What a check says: for people, line by line, and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from nova_gpuvirt import paragraph
from nova_gpuvirt.checks import finding

_LEVEL = 6
_NAME = 16
_SHOWN = 2
_INDENT = ' ' * (_LEVEL + _NAME)

Told = Sequence[tuple[str, finding.Finding]]


def text(told: Told) -> str:
    """Write it for people: the remedy of a line is in the next one."""
    return '\n'.join(_lines(told))


def items(told: Told) -> list[dict[str, Any]]:
    """Give it for programs."""
    return [
        {
            'Check': name,
            'Level': found.level.value,
            'Devices': list(found.devices),
            'Found': found.found,
            'Remedy': found.remedy or None,
        }
        for name, found in told
    ]


def status(told: Told) -> int:
    """Give the exit status: 1 where anything fails."""
    return int(any(f.level is finding.Level.FAIL for _, f in told))


def _lines(told: Told) -> Iterator[str]:
    for name, found in told:
        first = f'{found.level.value:<{_LEVEL}}{name:<{_NAME}}'
        yield from paragraph.lines(
            _of_cards(found) + found.found, first, _INDENT
        )
        if found.remedy:
            yield from paragraph.lines(
                found.remedy, f'{_INDENT}-> ', f'{_INDENT}   '
            )
    counts = [
        f'{sum(f.level is level for _, f in told)} {level.value}'
        for level in reversed(finding.Level)
    ]
    yield f'{", ".join(counts)}.'


def _of_cards(found: finding.Finding) -> str:
    """Name the first cards, and count the others."""
    if not found.devices:
        return ''
    names = ', '.join(found.devices[:_SHOWN])
    more = len(found.devices) - _SHOWN
    return names + (f' and {more} more: ' if more > 0 else ': ')
