"""Become a libvirtd that keeps everything in the cloud's data folder.

It runs in a mount namespace of its own, where the folders that libvirt is
built for are those of the data folder. So the machine's own libvirt, if there
is one, its configuration and its guests are left alone, and libvirt's own
files need no cleaning up.

usage: unshare --mount python -m lab.cloud.libvirtd FOLDER
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

from lab.cloud import values

_FOLDERS = {
    'etc': pathlib.Path('/etc/libvirt'),
    'run': pathlib.Path('/run/libvirt'),
    'lib': pathlib.Path('/var/lib/libvirt'),
    'log': pathlib.Path('/var/log/libvirt'),
    'cache': pathlib.Path('/var/cache/libvirt'),
}

# Debian's libvirt refuses to start without this user, and who installs its
# programs alone does not have it. Nothing is run as this user here.
_USER = 'libvirt-qemu'
_USERS = {
    'passwd': f'{_USER}:x:64055:64055::/nonexistent:/usr/sbin/nologin\n',
    'group': f'{_USER}:x:64055:\n',
}


def main(cloud: values.Cloud) -> None:
    """Lay the data folder over libvirt's folders, and become libvirtd."""
    for name, place in _FOLDERS.items():
        ours = cloud.libvirt / name
        ours.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.mkdir(parents=True)
            with _made(cloud).open('a') as made:
                print(place, file=made)
        _bind(ours, place)
    for name in ('libvirtd.conf', 'qemu.conf'):
        shutil.copy(cloud.etc / 'libvirt' / name, '/etc/libvirt')
    for name, line in _USERS.items():
        place = pathlib.Path('/etc', name)
        ours = cloud.libvirt / name
        text = place.read_text()
        ours.write_text(text if f'{_USER}:' in text else text + line)
        _bind(ours, place)
    os.execlp(
        'libvirtd',
        'libvirtd',
        '--config=/etc/libvirt/libvirtd.conf',
        '--pid-file=/run/libvirt/libvirtd.pid',
    )


def tidy(cloud: values.Cloud) -> None:
    """Remove the folders that were made only to lay ours over them."""
    made = _made(cloud)
    if made.exists():
        for place in made.read_text().splitlines():
            with contextlib.suppress(OSError):
                os.rmdir(place)
        made.unlink()


def _made(cloud: values.Cloud) -> pathlib.Path:
    return cloud.libvirt / 'made'


def _bind(ours: pathlib.Path, place: pathlib.Path) -> None:
    subprocess.run(['mount', '--bind', ours, place], check=True)


if __name__ == '__main__':
    main(values.Cloud(folder=pathlib.Path(sys.argv[1])))
