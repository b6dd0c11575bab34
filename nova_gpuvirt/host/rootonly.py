"""What only root may read, write and see of a PCI function.

`privileged` runs these for the host itself, behind privsep.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Protocol

from nova_gpuvirt import model
from nova_gpuvirt.host import processes

_DEVICES = 'sys/bus/pci/devices'
_DEBUGFS = 'sys/kernel/debug/dri'
# By name, where the file is below the function's directory: what AMD's gim
# shows of a PF (gim_shim/sysfs/gim_monitor.c). Not in this list is reset_gpu,
# which resets the card when it is read.
_ATTRIBUTES = frozenset({'memory_partition_mode', 'spatial_partition_mode'})
# Of a PF's directory in debugfs: the quotas of its VFs, as Intel's xe has
# shown them before and since Linux 6.19.
_QUOTA = re.compile(
    r'gt0/vf\d{1,3}/lmem_quota|sriov/vf\d{1,3}/tile0/vram_quota'
)


class Rootly(Protocol):
    """Somebody who may do it: `privileged`, or a simulated host."""

    def read(self, address: str, name: str) -> str:
        """Read a file of a function that only root may read."""

    def set_vgpu_type(self, address: str, number: int) -> None:
        """Make a vGPU of a type on a VF, or take it away with 0."""

    def openers(self, address: str) -> Sequence[int]:
        """List the processes that have a function open through VFIO."""


def may_be_locked(name: str) -> bool:
    """Tell whether a file may be kept even from root: those of debugfs.

    A kernel that is locked down (Secure Boot) does so.
    """
    return name not in _ATTRIBUTES


def read(root: pathlib.Path, address: model.PciAddress, name: str) -> str:
    """Read a file of the list above, without its last newline.

    :raises OSError: as the kernel answers
    """
    if name in _ATTRIBUTES:
        path = root / _DEVICES / str(address) / name
    else:
        assert _QUOTA.fullmatch(name), name
        path = root / _DEBUGFS / str(address) / name
    return path.read_text().rstrip('\n')


def set_vgpu_type(
    root: pathlib.Path, address: model.PciAddress, number: int
) -> None:
    """Write ``nvidia/current_vgpu_type``, in one write.

    :raises OSError: as the driver answers
    """
    assert number >= 0
    path = root / _DEVICES / str(address) / 'nvidia/current_vgpu_type'
    with open(path, 'wb', buffering=0) as file:
        file.write(b'%d\n' % number)


def openers(root: pathlib.Path, address: model.PciAddress) -> Sequence[int]:
    """List the processes that have a function open through VFIO.

    It has a node of its own, ``/dev/vfio/devices/vfioN``, and that of its
    IOMMU group (kernel Documentation/ABI/testing/sysfs-devices-vfio-dev).

    :raises OSError: when it has neither, so that nobody can be seen
    """
    folder = root / _DEVICES / str(address)
    nodes = set()
    with contextlib.suppress(OSError):  # kernels before 6.1 have no such node
        nodes |= {
            f'/dev/vfio/devices/{name}'
            for name in os.listdir(folder / 'vfio-dev')
        }
    with contextlib.suppress(OSError):
        group = os.path.basename(os.readlink(folder / 'iommu_group'))
        nodes.add(f'/dev/vfio/{group}')
    if not nodes:
        raise FileNotFoundError(
            errno.ENOENT, f'{address} has no node of VFIO to look for'
        )
    return processes.openers(root, nodes)
