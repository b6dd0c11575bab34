"""Run other programs, those of the Python environment first."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from types import MappingProxyType

from lab import exception

_LAST = 20


def run(
    *argv: str,
    log: pathlib.Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    allowed: Sequence[int] = (0,),
) -> None:
    """Run a program to its end; what it says is added to a log.

    :param environment: what else it finds in its environment

    :raises CommandFailed: when it ends with a status that is not allowed
    """
    path = f'{sys.prefix}/bin:/usr/sbin:{os.environ["PATH"]}'
    with log.open('ab') as out:
        status = subprocess.run(
            argv,
            env={**os.environ, 'PATH': path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ).returncode
    if status not in allowed:
        raise exception.CommandFailed(
            f'{" ".join(argv)}: wanted status 0, found {status}.'
            f' The end of {log}:\n{tail(log)}'
        )


def output(
    *argv: str | pathlib.Path,
    folder: pathlib.Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    told: str = '',
) -> str:
    """Run a program to its end, in a folder, and give back what it prints.

    :param environment: what else it finds in its environment
    :param told: what it reads from its standard input
    :raises CommandFailed: when it ends with an error
    """
    ended = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **environment},
        input=told,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise exception.CommandFailed(
            f'{" ".join(map(str, argv))}: wanted status 0,'
            f' found {ended.returncode}:\n{_end(ended.stdout + ended.stderr)}'
        )
    return ended.stdout


def tail(log: pathlib.Path) -> str:
    """Read the last lines of a log."""
    if not log.exists():
        return '(nothing)'
    return _end(log.read_text(errors='replace'))


def _end(text: str) -> str:
    return '\n'.join(f'  {line}' for line in text.splitlines()[-_LAST:])
