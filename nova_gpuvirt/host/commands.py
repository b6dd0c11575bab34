"""The vendors' commands that a host has."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Callable
from collections.abc import Sequence

_SECONDS = 30

Run = Callable[[Sequence[str]], str]


class CommandFailed(Exception):
    """A command is missing, failed, or did not end."""


class CommandHangs(CommandFailed):
    """A command did not end, and was killed."""


def run(argv: Sequence[str]) -> str:
    """Run a command of this host and return what it prints.

    :raises CommandFailed: when it is missing, fails, or takes too long
    """
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            check=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandHangs(f'{" ".join(argv)}: {error}') from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip()
        raise CommandFailed(f'{error}: {said}') from error
    except OSError as error:
        raise CommandFailed(f'{argv[0]}: {error}') from error
    return done.stdout


def of(root: pathlib.Path) -> Run:
    """Tell how the commands of a host are run: this one's, or not at all."""
    return run if root == pathlib.Path('/') else none


def none(argv: Sequence[str]) -> str:
    """Stand for a host that can only be looked at, such as a copy."""
    raise CommandFailed(f'{argv[0]}: no command can be run on this host')
