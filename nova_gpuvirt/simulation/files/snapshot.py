"""All that a folder of a host says, to compare it with another time."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator


def take(root: pathlib.Path, place: str) -> dict[str, str]:
    """Read a folder of a host, with all below it.

    Paths are absolute as on the host; a link has ``-> target``, and an empty
    directory is a path that ends in ``/``.

    :param place: relative to the root
    """
    return dict(_entries(root, root / place))


def _entries(
    root: pathlib.Path, place: pathlib.Path
) -> Iterator[tuple[str, str]]:
    with os.scandir(place) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            path = pathlib.Path(entry.path)
            name = f'/{path.relative_to(root)}'
            if entry.is_symlink():
                yield name, f'-> {os.readlink(path)}'
            elif entry.is_dir():
                yield from [*_entries(root, path)] or [(f'{name}/', '')]
            else:
                yield name, path.read_text(errors='surrogateescape')
