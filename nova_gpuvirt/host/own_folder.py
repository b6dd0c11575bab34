"""Whether a file that was opened is the one that its path names.

A device's folder is behind one link, ``/sys/bus/pci/devices/0000:3b:00.0``
or ``/sys/bus/mdev/devices/<uuid>``, which the kernel makes. Whatever else
leads out of it is none of the device's own files: a link that somebody put
into the copy of a host, or that leads to another device. It is looked at
where the open file is, so that nobody can put a link there meanwhile.
"""

from __future__ import annotations

import errno
import os
import re

_FOLDER = re.compile(r'sys/bus/(?:pci|mdev)/devices/(?P<own>[^/]+(?:/.+)?)')
# amdgpu keeps what is of a hive with its first card, and links the others'
# to it (amdgpu_xgmi_sysfs_add_dev_info of amdgpu_xgmi.c).
_SHARED = re.compile(r'[^/]+/(xgmi_hive_info/xgmi_hive_id)')
# Where nothing is behind a link at all.
_PLAIN = ('sys/kernel/debug/', 'proc/driver/')
_GONE = ' (deleted)'


def is_of_a_device(path: str) -> bool:
    """Tell whether a path is of a device's folder, or in one.

    :param path: relative to the host's root
    """
    return _FOLDER.fullmatch(path) is not None or path.startswith(_PLAIN)


def check(root: str, path: str, file: int) -> None:
    """Make sure that an open file or folder is the one that a path names.

    Only what is a device's is looked at; others may be behind links.

    :param root: the host's root, without links
    :param path: relative to it
    :raises OSError: ELOOP where a link led elsewhere, ENODEV where the device
        went away meanwhile
    """
    if not is_of_a_device(path):
        return
    match = _FOLDER.fullmatch(path)
    found = os.readlink(f'/proc/self/fd/{file}')
    if _is_own(root, path, match, found):
        return
    number = errno.ENODEV if found.endswith(_GONE) else errno.ELOOP
    raise OSError(number, os.strerror(number), f'/{path}')


def _is_own(
    root: str, path: str, match: re.Match[str] | None, found: str
) -> bool:
    base = root.rstrip('/')
    if match is None:
        return found == f'{base}/{path}'
    shared = _SHARED.fullmatch(match['own'])
    end = shared[1] if shared else match['own']
    return found.startswith(f'{base}/sys/') and found.endswith(f'/{end}')
