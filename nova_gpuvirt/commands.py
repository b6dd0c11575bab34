"""The vendors' commands that a host has."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from collections.abc import Sequence

from oslo_concurrency import processutils

_SECONDS = 30

Run = Callable[[Sequence[str]], str]


class CommandFailed(Exception):
    """A command is missing, failed, or did not end."""


def run(argv: Sequence[str]) -> str:
    """Run a command of this host and return what it prints.

    :raises CommandFailed: when it is missing, fails, or takes too long
    """
    try:
        output, _ = processutils.execute(*argv, timeout=_SECONDS)
    except (OSError, processutils.ProcessExecutionError) as error:
        raise CommandFailed(f'{" ".join(argv)}: {error}') from error
    return str(output)


def of(root: pathlib.Path) -> Run:
    """Tell how the commands of a host are run: this one's, or not at all."""
    return run if root == pathlib.Path('/') else none


def none(argv: Sequence[str]) -> str:
    """Stand for a host that can only be looked at, such as a copy."""
    raise CommandFailed(f'{argv[0]}: no command can be run on this host')
