"""What a nova-compute in another process remembers in files."""

from __future__ import annotations

import pathlib
from typing import Any

from nova_gpuvirt.simulation.apart import wire

NAME = 'files'

_CHANGES = {
    'os.rename': 'replace',
    'os.remove': 'remove',
    'os.mkdir': 'mkdir',
    'os.rmdir': 'rmdir',
}


class Files:
    """What nova-compute remembers in files: it tells before it writes."""

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name the change of a file."""
        return f'file {name}'

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> None:
        """Take note."""


class Watch:
    """Tell of each change below a folder, before it is made.

    It is an audit hook of Python's (PEP 578), which knows no "after": that is
    before the next step.
    """

    def __init__(self, client: wire.Client, folder: pathlib.Path) -> None:
        self._client = client
        self._folder = folder

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """See what Python is about to do."""
        change = _CHANGES.get(event)
        if change is not None and self._is_below(args):
            self._client.call(NAME, change)

    def _is_below(self, args: tuple[Any, ...]) -> bool:
        path, *rest = args
        folder = rest[-1] if rest else -1
        place = pathlib.Path(str(path))
        if isinstance(folder, int) and folder >= 0:
            place = pathlib.Path(f'/proc/self/fd/{folder}').resolve()
        return place.is_relative_to(self._folder)
