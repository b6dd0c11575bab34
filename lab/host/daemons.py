"""Programs that run until they are stopped, each with its number in a file."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from types import MappingProxyType

from lab import commands
from lab import exception
from lab.host import places

_START_SECONDS = 3


def start(
    name: str,
    program: pathlib.Path,
    *arguments: str,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Start a program in the folder of what runs.

    What it says is in NAME.log there.

    :raises CommandFailed: when it can't be started, or runs already
    :raises ProgramEnded: when it ends at once
    """
    log = places.RUN / f'{name}.log'
    commands.output(
        *('start-stop-daemon', '--start', '--background', '--make-pidfile'),
        *_which(name, program),
        *('--chdir', str(places.RUN), '--output', log),
        *('--startas', str(program), '--', *arguments),
        environment=environment,
    )
    # It is start-stop-daemon itself for a moment.
    end = time.monotonic() + _START_SECONDS
    while not runs(name, program):
        if time.monotonic() > end:
            raise exception.ProgramEnded(
                f'{program}: wanted it to run, found it ended. It said:\n'
                f'{commands.tail(log)}'
            )
        time.sleep(0.1)


def stop(name: str, program: pathlib.Path) -> None:
    """End a program, if it runs: first kindly, after 10 s by force.

    :raises CommandFailed: when it stays
    """
    commands.output(
        *('start-stop-daemon', '--stop', '--oknodo', '--remove-pidfile'),
        *_which(name, program),
        *('--retry', 'TERM/10/KILL/5'),
    )


def runs(name: str, program: pathlib.Path) -> bool:
    """Say whether a program runs."""
    try:
        commands.output(
            *('start-stop-daemon', '--status', *_which(name, program))
        )
    except exception.CommandFailed:
        return False
    return True


def _which(name: str, program: pathlib.Path) -> tuple[str, ...]:
    pidfile = str(places.RUN / f'{name}.pid')
    # A process that got the number later is not it.
    return ('--pidfile', pidfile, '--exec', str(program.resolve()))
