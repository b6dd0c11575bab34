"""Run programs, and say what they said when they fail."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Mapping


class Failed(Exception):
    """A program failed, or is missing."""


def run(
    *command: str | pathlib.Path,
    cwd: pathlib.Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> str:
    """Run a program to its end.

    :returns: its standard output
    :raises Failed: with the end of what it said
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=environment,
            input=b'' if stdin is None else stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failed(f'{words[0]} is not installed') from error
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors='replace')
        end = '\n'.join(said.splitlines()[-20:])
        raise Failed(
            f'{" ".join(words[:4])} ... ended with {done.returncode}, '
            f'having said:\n{end}'
        )
    return done.stdout.decode(errors='replace')
