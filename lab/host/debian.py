"""Debian 13, from the places that apt of this machine is told to use."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Iterable

from lab import commands
from lab import exception
from lab.host import places

_SUITE = 'trixie'
_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
# What apt is told here of proxies and of old mirrors holds for the VM too.
_ACQUIRE = ('proxy', 'check-valid-until', 'check-date', 'retries')
_LEFT_OUT = ('doc', 'locale', 'man')


def install_missing() -> None:
    """Install what bindep.txt wants for the lab and this machine lacks.

    :raises CommandFailed: when apt can't
    """
    bindep = pathlib.Path(sys.executable).with_name('bindep')
    missing = subprocess.run(
        (bindep, '--brief', 'lab'), cwd=places.CLONE, stdout=subprocess.PIPE
    )
    names = missing.stdout.decode().split()
    if not names:
        return
    commands.output('apt-get', '-qq', 'update')
    commands.output(
        *('apt-get', '-qq', 'install', '-y', '--no-install-recommends'),
        *names,
        environment={'DEBIAN_FRONTEND': 'noninteractive'},
    )


def packages(file: pathlib.Path) -> list[str]:
    """Read the names of a list of packages."""
    lines = file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def unpack(
    target: pathlib.Path, names: Iterable[str], suites: tuple[str, ...] = ()
) -> None:
    """Unpack packages and what they need, but install nothing.

    :param suites: those beside Debian 13's own, the last of which wins
    :raises CommandFailed: when mmdebstrap can't
    """
    _mmdebstrap('extract', target, names, suites)


def install(target: pathlib.Path, names: Iterable[str]) -> None:
    """Install a small Debian 13 with packages.

    :raises CommandFailed: when mmdebstrap can't
    """
    _mmdebstrap('minbase', target, names, ())


def _mmdebstrap(
    variant: str,
    target: pathlib.Path,
    names: Iterable[str],
    suites: tuple[str, ...],
) -> None:
    options = [
        *_acquire(),
        'APT::Install-Recommends "false"',
        *(f'APT::Default-Release "{_SUITE}-{suite}"' for suite in suites),
    ]
    commands.output(
        'mmdebstrap',
        f'--variant={variant}',
        '--skip=check/empty',
        *(f'--aptopt={option}' for option in options),
        *(f'--dpkgopt=path-exclude=/usr/share/{f}/*' for f in _LEFT_OUT),
        f'--include={",".join(names)}',
        _SUITE,
        target,
        *_sources(suites),
        # An initrd of Debian's takes half a minute; the lab makes its own.
        environment={'INITRD': 'No'},
    )


def _sources(suites: tuple[str, ...]) -> list[str]:
    main = _archive('Debian')
    security = _archive('Debian-Security')
    places = [
        (main, _SUITE),
        (main, f'{_SUITE}-updates'),
        (security, f'{_SUITE}-security'),
        *((main, f'{_SUITE}-{suite}') for suite in suites),
    ]
    return [
        f'deb [signed-by={_KEYRING}] {site} {suite} main'
        for site, suite in places
    ]


def _archive(label: str) -> str:
    """Find where apt has one of Debian's archives from."""
    listed = commands.output(
        *('apt-get', 'indextargets', '--format', '$(REPO_URI)'),
        *('Created-By: Packages', 'Origin: Debian', f'Label: {label}'),
    )
    if not listed:
        raise exception.Unsuited(
            f"apt: wanted sources of Debian's archive {label}, found none; "
            'add them to /etc/apt/sources.list.d and run `apt-get update`'
        )
    return listed.splitlines()[0]


def _acquire() -> list[str]:
    dumped = commands.output(
        'apt-config', 'dump', '--no-empty', '--format', '%F "%v"%n', 'Acquire'
    )
    return [
        line
        for line in dumped.splitlines()
        if any(word in line.lower() for word in _ACQUIRE)
    ]
