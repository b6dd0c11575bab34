"""Text for a terminal, wrapped between words: no address is cut in two."""

from __future__ import annotations

import textwrap

_WIDTH = 79


def lines(
    text: str, first: str = '', others: str = '', width: int = _WIDTH
) -> list[str]:
    """Wrap a text.

    :param first: what its first line begins with
    :param others: what the others do
    """
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fill(
    text: str, first: str = '', others: str = '', width: int = _WIDTH
) -> str:
    """Wrap a text, as one."""
    return '\n'.join(lines(text, first, others, width))
