"""The tree of files that the VM's disk has."""

from __future__ import annotations

import pathlib
import shutil

from lab import commands
from lab.host import initrd
from lab.host import places

FILES = places.SOURCES / 'files'
# What the project ships for a host's systemd.
UNITS = places.CLONE / 'etc/systemd'
_COMMAND = '/opt/nova/bin/nova-gpuvirt'

_ON = (
    'systemd-networkd',
    'ssh',
    'nova-gpuvirt-layout',
    'simulated-gpus',
    'nova-compute',
)
_OFF = (
    # Each of these takes seconds of a start, and does nothing here.
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'e2scrub_reap.service',
    'fstrim.timer',
    'getty@tty1.service',
    'libvirt-guests.service',
    'serial-getty@ttyS0.service',
    'systemd-binfmt.service',
    'systemd-networkd-wait-online.service',
)


def configure(tree: pathlib.Path) -> None:
    """Make a root tree the VM's: our files, the key, units, modules.

    :raises CommandFailed: when systemctl or depmod can't do its part
    """
    for files, to in ((FILES, tree), (UNITS, tree / 'etc/systemd')):
        shutil.copytree(files, to, dirs_exist_ok=True, copy_function=_replace)
    (tree / 'usr/bin/nova-gpuvirt').symlink_to(_COMMAND)
    keys = tree / 'root/.ssh'
    keys.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(places.KEY / 'id.pub', keys / 'authorized_keys')
    for folder in ('instances', 'lock'):
        (tree / 'var/lib/nova' / folder).mkdir(parents=True)
    for folder in ('etc', 'var'):
        # A first start has nothing to bring up to date.
        (tree / folder / '.updated').touch()
    commands.output('chroot', tree, 'systemctl', 'enable', *_ON)
    commands.output('chroot', tree, 'systemctl', 'mask', *_OFF)
    kernel = initrd.kernel(tree)
    shutil.copytree(places.MODULES, tree / f'lib/modules/{kernel}/extra')
    commands.output('chroot', tree, 'depmod', kernel)


def _replace(source: str, target: str) -> None:
    """Copy a file to where a link to another tree's may be."""
    pathlib.Path(target).unlink(missing_ok=True)
    shutil.copy(source, target)
