"""The layout file of a host, read again when it changes."""

from __future__ import annotations

import logging
import os
import pathlib

from nova_gpuvirt import exception
from nova_gpuvirt.layout import document

LOG = logging.getLogger(__name__)


class Followed:
    """A layout file.

    One that says what can't be changes nothing: the last good one counts.

    :ivar last: the layout that was read last
    :ivar invalid: why there is none to go by, None where there is: then no
        card may be offered, since it may be meant otherwise
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._seen: object = object()
        self._is_known = False
        self.last = document.NONE
        self.invalid: str | None = None

    def read(self) -> document.Layout:
        """Read it, if it is another file than before."""
        seen = self._look()
        if seen == self._seen:
            return self.last
        try:
            self.last = document.read(self._path)
        except Exception as error:
            if isinstance(error, exception.InvalidLayout):
                self._seen = seen
            if self._is_known:
                LOG.error('The layout stays as it was: %s', error)
            else:
                self.invalid = f'the layout is not known: {error}'
                LOG.error('No GPU is offered: %s', error)
            return self.last
        self._seen = seen
        self._is_known = True
        self.invalid = None
        return self.last

    def _look(self) -> object:
        """Tell what changes with the file: None where there is none."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            return error.errno
        return (
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
