"""Warnings that are logged once, and not with each update."""

from __future__ import annotations

import logging


class Once:
    """What was warned of since something was well last.

    :param log: where
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[str] = set()

    def warn(self, text: str, key: str | None = None) -> None:
        """Log a warning, unless it was logged before.

        :param key: what makes two the same, the text by default
        """
        if (key or text) not in self._told:
            self._told.add(key or text)
            self._log.warning('%s', text)

    def be_well(self) -> None:
        """Let what is wrong later be logged anew."""
        self._told.clear()
