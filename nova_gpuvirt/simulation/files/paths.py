"""Paths of a host, whatever its root is."""

from __future__ import annotations

import errno
import os
import pathlib

from nova_gpuvirt.simulation.files.refusal import refusal


def resolved(root: pathlib.Path, path: str) -> str:
    """Follow symlinks, to a path relative to the root.

    :param path: absolute as on the host
    :raises ValueError: for one that is not
    :raises OSError: ENOENT, ENOTDIR or ELOOP
    """
    if not path.startswith('/'):
        raise ValueError(f'{path!r} is not absolute')
    top = os.path.realpath(root)
    real = os.path.realpath(f'{top}{path}')
    if not real.startswith(f'{top}/'):
        raise refusal(errno.ENOENT, 'outside of the host')
    os.stat(f'{top}{path}')
    return os.path.relpath(real, top)
