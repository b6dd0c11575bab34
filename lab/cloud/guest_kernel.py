"""The guest's kernel: this machine's Debian's, out of its package."""

from __future__ import annotations

import pathlib
import re
import subprocess
import tarfile
import tempfile

from lab import commands
from lab import exception

# What depends on the newest kernel.
_NEWEST = 'linux-image-amd64'
_DEPENDS = re.compile(r'^ *Depends: (linux-image-[0-9]\S*)$', re.MULTILINE)


def build(path: pathlib.Path) -> None:
    """Write the kernel to a file, if it is not there.

    :raises Unsuited: when apt does not know such a kernel
    :raises CommandFailed: when apt can't fetch it
    """
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        commands.output(
            *('apt-get', '-qq', '--option=APT::Sandbox::User=root'),
            *('download', _package()),
            folder=pathlib.Path(folder),
        )
        (package,) = pathlib.Path(folder).glob('*.deb')
        new = path.with_suffix('.new')
        new.write_bytes(_vmlinuz(package))
        new.rename(path)


def _package() -> str:
    depends = commands.output('apt-cache', 'depends', _NEWEST)
    found = _DEPENDS.search(depends)
    if not found:
        raise exception.Unsuited(
            f'apt-cache depends {_NEWEST}: wanted a package of a kernel,'
            f' found {depends!r}; is this Debian, and was `apt-get update`'
            ' run?'
        )
    return found[1]


def _vmlinuz(package: pathlib.Path) -> bytes:
    with subprocess.Popen(
        ('dpkg-deb', '--fsys-tarfile', package), stdout=subprocess.PIPE
    ) as unpacking:
        assert unpacking.stdout
        with tarfile.open(fileobj=unpacking.stdout, mode='r|') as files:
            for file in files:
                content = files.extractfile(file)
                if content and file.name.startswith('./boot/vmlinuz-'):
                    unpacking.kill()
                    return content.read()
    raise exception.Unsuited(f'{package.name}: wanted a /boot/vmlinuz in it')
