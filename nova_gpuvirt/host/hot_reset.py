"""A reset of all functions of a bus at once, through VFIO.

For functions that the kernel can't reset alone: it refuses to reset a bus for
one function while there are others on it (``pci_parent_bus_reset`` of
drivers/pci/pci.c), but does so for who has them all through VFIO
(``VFIO_DEVICE_PCI_HOT_RESET`` of include/uapi/linux/vfio.h). It checks itself
that each function on the bus is with VFIO and in one of the groups that it is
given (``vfio_pci_dev_set_hot_reset`` of drivers/vfio/pci/vfio_pci_core.c),
EINVAL else. A group is open once: while a guest has it, opening it is EBUSY.

Root needs no more than to open the nodes, which libvirt may have given to
another user (CAP_DAC_OVERRIDE). Nothing is mapped for DMA, so no memory is
locked (RLIMIT_MEMLOCK, CAP_IPC_LOCK), and CAP_SYS_RAWIO is asked only for
groups without an IOMMU.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import re
import struct
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TypeVar

from nova_gpuvirt import model

# _IO(';', 100 + n) of linux/vfio.h.
_BASE = ord(';') << 8 | 100
GET_API_VERSION = _BASE
CHECK_EXTENSION = _BASE + 1
SET_IOMMU = _BASE + 2
GROUP_GET_STATUS = _BASE + 3
GROUP_SET_CONTAINER = _BASE + 4
GROUP_GET_DEVICE_FD = _BASE + 6
DEVICE_PCI_HOT_RESET = _BASE + 13

_API_VERSION = 0
# The newest first; a kernel without an IOMMU of x86's type has neither.
_TYPE1V2 = 3
_TYPE1 = 1
_VIABLE = 1  # VFIO_GROUP_FLAGS_VIABLE
_STATUS = struct.Struct('=II')  # argsz, flags
_HEADER = struct.Struct('=III')  # argsz, flags, count; then the groups

_GROUP = re.compile('[0-9]{1,10}')
_DEVICES = 'sys/bus/pci/devices'
_CONTAINER = 'dev/vfio/vfio'

Ioctl = Callable[[int, int, 'int | bytearray'], int]

_T = TypeVar('_T')


def _ioctl(file: int, number: int, argument: int | bytearray) -> int:
    return fcntl.ioctl(file, number, argument)


def reset(
    root: pathlib.Path,
    functions: Sequence[model.PciAddress],
    ioctl: Ioctl = _ioctl,
) -> None:
    """Reset functions with the bus that they are on.

    All that is opened is closed again. VFIO resets a function that can be
    reset alone when it is opened and closed, too.

    :param functions: all of one bus, each with VFIO, none open
    :param ioctl: in place of the kernel's
    :raises OSError: that names what failed: EBUSY where a guest has one of
        the functions open; EINVAL where a function on the bus is of none of
        these groups, or has no driver of VFIO's, and where the bus can't be
        reset, as that of a VF; EPERM where a driver of the host has one of a
        group; ENOENT where VFIO has no node of a function, or none at all
    """
    with contextlib.ExitStack() as opened:
        container = _open(opened, root, _CONTAINER, 'VFIO')
        version = _try(
            'asking VFIO for its version',
            lambda: ioctl(container, GET_API_VERSION, 0),
        )
        if version != _API_VERSION:
            raise OSError(
                errno.EPROTO, f'VFIO has the unknown version {version}'
            )
        groups = [
            _open_group(opened, root, ioctl, group, container)
            for group in _groups(root, functions)
        ]
        _set_iommu(ioctl, container)
        device = _open_device(opened, ioctl, groups, functions[0])
        size = _HEADER.size + 4 * len(groups)
        header = _HEADER.pack(size, 0, len(groups))
        argument = bytearray(header + struct.pack(f'={len(groups)}i', *groups))
        names = ', '.join(map(str, functions))
        _try(
            f'resetting the bus of {names}',
            lambda: ioctl(device, DEVICE_PCI_HOT_RESET, argument),
        )


def _groups(
    root: pathlib.Path, functions: Sequence[model.PciAddress]
) -> list[str]:
    """Name the IOMMU groups of functions, that of the first at first."""
    groups = []
    for function in functions:
        link = root / _DEVICES / str(function) / 'iommu_group'
        with _named(f'looking for the IOMMU group of {function}'):
            path = os.readlink(link)
        group = os.path.basename(path)
        if not _GROUP.fullmatch(group):
            raise OSError(
                errno.EINVAL, f'{function} is in no IOMMU group: {group!r}'
            )
        groups.append(group)
    return list(dict.fromkeys(groups))


def _open_group(
    opened: contextlib.ExitStack,
    root: pathlib.Path,
    ioctl: Ioctl,
    group: str,
    container: int,
) -> int:
    found = _open(opened, root, f'dev/vfio/{group}', f'IOMMU group {group}')
    status = bytearray(_STATUS.pack(_STATUS.size, 0))
    _try(
        f'asking for the state of IOMMU group {group}',
        lambda: ioctl(found, GROUP_GET_STATUS, status),
    )
    if not _STATUS.unpack(status)[1] & _VIABLE:
        raise PermissionError(
            errno.EPERM,
            f'IOMMU group {group} has a function that the host uses',
        )
    _try(
        f'taking IOMMU group {group}',
        lambda: ioctl(
            found,
            GROUP_SET_CONTAINER,
            bytearray(struct.pack('=i', container)),
        ),
    )
    return found


def _set_iommu(ioctl: Ioctl, container: int) -> None:
    what = "setting up VFIO's IOMMU"
    newer = _try(what, lambda: ioctl(container, CHECK_EXTENSION, _TYPE1V2))
    kind = _TYPE1V2 if newer else _TYPE1
    _try(what, lambda: ioctl(container, SET_IOMMU, kind))


def _open_device(
    opened: contextlib.ExitStack,
    ioctl: Ioctl,
    groups: Sequence[int],
    function: model.PciAddress,
) -> int:
    device = _try(
        f'opening {function} through VFIO',
        lambda: ioctl(
            groups[0],
            GROUP_GET_DEVICE_FD,
            bytearray(f'{function}\0'.encode()),
        ),
    )
    opened.callback(os.close, device)
    return device


def _open(
    opened: contextlib.ExitStack, root: pathlib.Path, path: str, what: str
) -> int:
    file = _try(
        f'opening {what} (/{path})',
        lambda: os.open(root / path, os.O_RDWR | os.O_CLOEXEC),
    )
    opened.callback(os.close, file)
    return file


def _try(what: str, call: Callable[[], _T]) -> _T:
    """Call, and name what failed."""
    with _named(what):
        return call()


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        raise OSError(number, f'{what}: {error.strerror}') from error
