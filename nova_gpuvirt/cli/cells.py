"""Cells of tables: one value for programs, and a text for people."""

from __future__ import annotations

from typing import Any

from cliff import columns


class Cell(columns.FormattableColumn[Any]):
    """A value, and the text that stands for it in a table."""

    def __init__(self, value: Any, text: str) -> None:
        super().__init__(value)
        self._text = text

    def human_readable(self) -> str:
        """Give the text."""
        return self._text


class Maybe(columns.FormattableColumn[Any]):
    """A value that may be missing: null for programs, nothing for people."""

    def human_readable(self) -> str:
        """Leave out what is missing."""
        return '' if self._value is None else str(self._value)


class Lines(columns.FormattableColumn[list[str]]):
    """Items that stand below each other in a table."""

    def human_readable(self) -> str:
        """Put each on its own line."""
        return '\n'.join(self._value)


def text_of(cell: Any) -> str:
    """Tell what people read of a cell."""
    if isinstance(cell, columns.FormattableColumn):
        return str(cell.human_readable())
    return str(cell)


def value_of(cell: Any) -> Any:
    """Tell what programs read of a cell."""
    if isinstance(cell, columns.FormattableColumn):
        return cell.machine_readable()
    return cell


def flat(cell: Any) -> Any:
    """Tell a cell's value in one word or line, as CSV has to.

    Items are joined by "; ", those of a map as NAME=VALUE.
    """
    value = value_of(cell)
    if isinstance(value, dict):
        value = [
            f'{name}={item}'
            for name, items in value.items()
            for item in (items if isinstance(items, list) else [items])
        ]
    if isinstance(value, list):
        return '; '.join(map(_word, value))
    return value


def _word(item: Any) -> str:
    """Tell an item of a list, its parts by spaces."""
    return ' '.join(item.values()) if isinstance(item, dict) else str(item)
