"""Programs that run until they are stopped, each with its number in a file."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from lab.host import places
from lab.host import processes


def start(
    name: str,
    program: pathlib.Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a program in the folder of what runs.

    What it says is in NAME.log there.

    :raises Failed: when it can't be started, or runs already
    """
    log = str(places.RUN / f'{name}.log')
    processes.run(
        *('start-stop-daemon', '--start', '--background', '--make-pidfile'),
        *_which(name, program),
        *('--chdir', str(places.RUN), '--output', log),
        *('--startas', str(program), '--', *arguments),
        environment=environment,
    )


def stop(name: str, program: pathlib.Path) -> None:
    """End a program, if it runs: first kindly, after 10 s by force.

    :raises Failed: when it stays
    """
    processes.run(
        *('start-stop-daemon', '--stop', '--oknodo', '--remove-pidfile'),
        *_which(name, program),
        *('--retry', 'TERM/10/KILL/5'),
    )


def runs(name: str, program: pathlib.Path) -> bool:
    """Say whether a program runs."""
    try:
        processes.run(
            *('start-stop-daemon', '--status', *_which(name, program))
        )
    except processes.Failed:
        return False
    return True


def _which(name: str, program: pathlib.Path) -> tuple[str, ...]:
    pidfile = str(places.RUN / f'{name}.pid')
    # A process that got the number later is not it.
    return ('--pidfile', pidfile, '--exec', str(program.resolve()))
