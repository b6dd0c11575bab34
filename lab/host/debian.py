"""Debian 13, from the places that apt of this machine is told to use."""

from __future__ import annotations

import functools
import os
import pathlib
import sys
from collections.abc import Iterable

from lab.host import processes

_SUITE = 'trixie'
_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
# What apt is told here of proxies and of old mirrors holds for the VM too.
_ACQUIRE = ('proxy', 'check-valid-until', 'check-date', 'retries')
_LEFT_OUT = ('doc', 'locale', 'man')


def install_missing() -> None:
    """Install what bindep.txt wants for the lab and this machine lacks.

    :raises Failed: when apt can't
    """
    bindep = pathlib.Path(sys.executable).with_name('bindep')
    try:
        processes.run(bindep, '--brief', 'lab')
        return
    except processes.Failed as missing:
        names = str(missing).split('having said:\n')[-1].split()
    quiet = dict(os.environ, DEBIAN_FRONTEND='noninteractive')
    processes.run('apt-get', '-qq', 'update')
    processes.run(
        *('apt-get', '-qq', 'install', '-y', '--no-install-recommends'),
        *names,
        environment=quiet,
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
    :raises Failed: when mmdebstrap can't
    """
    _mmdebstrap('extract', target, names, suites)


def install(target: pathlib.Path, names: Iterable[str]) -> None:
    """Install a small Debian 13 with packages.

    :raises Failed: when mmdebstrap can't
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
    processes.run(
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
        environment=dict(os.environ, INITRD='No'),
    )


def _sources(suites: tuple[str, ...]) -> list[str]:
    main, security = _sites()
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


@functools.cache
def _sites() -> tuple[str, str]:
    """Find Debian's archive, and that of its security updates."""
    listed = processes.run(
        'apt-get', 'indextargets', '--format', '$(SITE) $(RELEASE)'
    )
    lines = [line.split() for line in listed.splitlines()]
    sites = {release: site for site, release in lines}
    for release, site in sites.items():
        security = sites.get(f'{release}-security')
        if security:
            return site, security
    raise processes.Failed(
        'apt: wanted sources of a Debian release and of its security '
        f'updates, found {", ".join(sites) or "none"}; see sources.list(5)'
    )


def _acquire() -> list[str]:
    dumped = processes.run(
        'apt-config', 'dump', '--no-empty', '--format', '%F "%v"%n', 'Acquire'
    )
    return [
        line
        for line in dumped.splitlines()
        if any(word in line.lower() for word in _ACQUIRE)
    ]
