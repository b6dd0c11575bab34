"""What the processes of a host hold, and which run, by its /proc."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection
from collections.abc import Iterator

_COMM_LENGTH = 15  # TASK_COMM_LEN of the kernel, without the last zero


def running(root: pathlib.Path, name: str) -> bool | None:
    """Tell whether a process of that name runs.

    A container shows its own processes alone: a No is only a hint.

    :returns: None where the root has no processes to look at
    """
    seen = False
    for process in _processes(root):
        try:
            comm = (process / 'comm').read_text().rstrip('\n')
        except OSError:  # it has ended meanwhile
            continue
        seen = True
        if comm == name[:_COMM_LENGTH]:
            return True
    return False if seen else None


def openers(root: pathlib.Path, files: Collection[str]) -> tuple[int, ...]:
    """List the processes that have one of these files open.

    :param files: absolute paths as the processes see them
    """
    return tuple(
        sorted(
            int(process.name)
            for process in _processes(root)
            if any(name in files for name in _open_files(process))
        )
    )


def _processes(root: pathlib.Path) -> Iterator[pathlib.Path]:
    try:
        names = os.listdir(root / 'proc')
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            yield root / 'proc' / name


def _open_files(process: pathlib.Path) -> Iterator[str]:
    try:
        numbers = os.listdir(process / 'fd')
    except OSError:  # it has ended, or is not ours to look at
        return
    for number in numbers:
        try:
            yield os.readlink(process / 'fd' / number)
        except OSError:
            continue
