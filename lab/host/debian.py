"""Debian's packages: this machine's, and those of trees of Debian 13."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from lab import commands
from lab.host import places

_TOOLS = places.CLONE / 'tools'


def install_missing() -> None:
    """Install what bindep.txt wants for the lab and this machine lacks.

    :raises CommandFailed: when apt can't
    """
    commands.output(_TOOLS / 'debian-packages.sh', 'lab', 'trees', 'kmod')


def packages(file: pathlib.Path) -> list[str]:
    """Read the names of a list of packages."""
    lines = file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def unpack(target: pathlib.Path, suite: str, names: Iterable[str]) -> None:
    """Unpack packages and what they need, but install nothing.

    :param suite: trixie, or a suite beside it, which is then preferred
    :raises CommandFailed: when mmdebstrap can't
    """
    _tree(target, 'extract', suite, names)


def install(target: pathlib.Path, names: Iterable[str]) -> None:
    """Install a small Debian 13 with packages.

    :raises CommandFailed: when mmdebstrap can't
    """
    _tree(target, 'minbase', 'trixie', names)


def _tree(
    target: pathlib.Path, variant: str, suite: str, names: Iterable[str]
) -> None:
    commands.output(_TOOLS / 'debian-tree.sh', target, variant, suite, *names)
