"""Tables that fit a terminal and break no word: no address, no class."""

from __future__ import annotations

import argparse
import functools
import sys
import textwrap
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import TextIO

from cliff import utils
from cliff.formatters import table

from nova_gpuvirt.cli import cells

# What cliff draws on the left of each cell, and the line that ends the row.
_DRAWN = 3
_END = 1


def width(parsed_args: argparse.Namespace) -> int | None:
    """Tell how wide a table may be, None for as wide as it gets."""
    if parsed_args.max_width > 0:
        return int(parsed_args.max_width)
    if sys.stdout.isatty() or parsed_args.fit_width:
        return utils.terminal_width()
    return None


class Fitted(table.TableFormatter):
    """cliff's table, in which the columns give way as far as words go.

    cliff cuts every column to equal shares, and addresses in two.
    """

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Write rows."""
        rows = [[cells.text_of(cell) for cell in row] for row in data]
        rows = fit(column_names, rows, width(parsed_args))
        super().emit_list(column_names, rows, stdout, _as_it_is(parsed_args))

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Sequence[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Write one thing, a field a row, whose names do not give way."""
        room = width(parsed_args)
        if room is not None:
            room -= max(map(len, column_names), default=0) + _DRAWN
        rows = fit(('Value',), [[cells.text_of(cell)] for cell in data], room)
        super().emit_one(
            *(column_names, [text for (text,) in rows]),
            *(stdout, _as_it_is(parsed_args)),
        )


def fit(
    names: Sequence[str], rows: Sequence[Sequence[str]], room: int | None
) -> list[list[str]]:
    """Wrap texts so that a table is as wide as there is room. Pure.

    A word is never broken, but at its hyphens: a table may stay wider.
    """
    columns = [
        [name, *(row[i] for row in rows)] for i, name in enumerate(names)
    ]
    wanted = [max(map(_longest, column)) for column in columns]
    if room is not None:
        least = [max(len(c[0]), *map(_narrowest, c)) for c in columns]
        room -= _DRAWN * len(names) + _END
        wanted = _narrowed(wanted, least, room, set(map(tuple, rows)))
    return [
        [wrap(text, most) for text, most in zip(row, wanted, strict=True)]
        for row in rows
    ]


@functools.cache
def wrap(text: str, most: int) -> str:
    """Wrap each line of a text between words."""
    return '\n'.join(
        part
        for line in text.split('\n')
        for part in textwrap.wrap(line, most, break_long_words=False) or ['']
    )


def _narrowed(
    widths: list[int],
    least: list[int],
    room: int,
    rows: Collection[tuple[str, ...]],
) -> list[int]:
    """Narrow columns by and by, each time the one that costs fewest lines."""

    def cost(column: int) -> tuple[int, int]:
        narrower = [w - (i == column) for i, w in enumerate(result)]
        return _height(rows, narrower), -result[column]

    result = list(widths)
    while sum(result) > room:
        left = [i for i, w in enumerate(result) if w > least[i]]
        if not left:
            break
        result[min(left, key=cost)] -= 1
    return result


def _height(rows: Iterable[tuple[str, ...]], widths: Sequence[int]) -> int:
    """Count the lines of rows, each of which is as high as its highest."""
    return sum(
        max(
            wrap(text, most).count('\n')
            for text, most in zip(row, widths, strict=True)
        )
        for row in rows
    )


def _longest(text: str) -> int:
    return max(map(len, text.split('\n')))


def _narrowest(text: str) -> int:
    """Tell the width below which a word of a text would be broken."""
    return _longest(wrap(text, 1))


def _as_it_is(parsed_args: argparse.Namespace) -> argparse.Namespace:
    """Have cliff cut nothing more."""
    return argparse.Namespace(
        **{**vars(parsed_args), 'max_width': sys.maxsize}
    )
