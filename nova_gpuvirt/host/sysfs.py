"""Read what a host's kernel says of its PCI functions.

Only what is named here is ever read: some vendors' files act when they are
read (`reset_gpu` of AMD's gim resets the card), so nothing is globbed.

The formats are those of the kernel's Documentation/ABI/testing/sysfs-bus-pci
and sysfs-bus-vfio-mdev, and of the drivers that are named beside them.
"""

from __future__ import annotations

import errno
import os
import pathlib
import re
import uuid
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import rootonly

# Files of a function that may be read, relative to its directory.
_FILES = re.compile(
    '|'.join(
        (
            'boot_vga|class|device|numa_node|resource|sriov_totalvfs',
            'subsystem_device|subsystem_vendor|vendor',
            r'mdev_supported_types/[\w-]+/(available_instances|description|name)',
            # NVIDIA's vGPU on kernels without its mdevs, on VFs
            'nvidia/(creatable_vgpu_types|current_vgpu_type|gpu_instance_id)',
            # SR-IOV of Intel's i915 (not of the kernel's own) and xe
            r'drm/card\d+/(prelim_)?iov/vf\d+/gt\d?/lmem_quota',
            r'sriov_admin/vf\d+/profile/vram_quota',
            # XGMI of AMD's amdgpu
            'xgmi_hive_info/xgmi_hive_id',
        )
    )
)
_FOLDERS = re.compile(
    r'drm|mdev_supported_types|drm/card\d+/(prelim_)?iov(/vf\d+)?'
)
_ROOT_BUS = re.compile(r'pci[0-9a-f]{4,8}:[0-9a-f]{2}')
_LINKS = frozenset({'driver', 'iommu_group', 'physfn'})
_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
_ALL_ONES = b'\xff' * 4


class Sysfs:
    """The kernel's view of a host, below any root.

    :param root: the folder that holds ``sys``; ``/`` is this machine, and a
        copy of another machine's sysfs, or a simulated one, does as well
    :param rootly: who may do there what only root may; None where nothing
        can be changed
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = '/',
        rootly: rootonly.Rootly | None = None,
    ) -> None:
        self.root = pathlib.Path(root)
        self._rootly = rootly
        # Text, since a host has thousands of files, and paths are slow.
        self._devices = os.path.join(root, 'sys/bus/pci/devices')

    def addresses(self) -> tuple[model.PciAddress, ...]:
        """List every PCI function, in order of address."""
        return tuple(
            sorted(
                model.PciAddress.parse(name) for name in _names(self._devices)
            )
        )

    def read(self, address: model.PciAddress, name: str) -> str:
        """Read a file of a function, without its last newline.

        :param name: relative to the function's directory
        :raises SysfsError: when the file can't be read
        """
        assert _FILES.fullmatch(name), name
        try:
            # Without buffers, which take longer than the reading.
            path = f'{self._devices}/{address}/{name}'
            with open(path, 'rb', buffering=0) as file:
                return file.read().decode().rstrip('\n')
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(address, name, error) from error

    def read_if_there(
        self, address: model.PciAddress, name: str
    ) -> str | None:
        """Read a file that not every function has.

        :raises SysfsError: when the file is there and can't be read
        """
        return self.read(address, name) if self.has(address, name) else None

    def has(self, address: model.PciAddress, name: str) -> bool:
        """Tell whether a function has a file."""
        assert _FILES.fullmatch(name), name
        return os.path.lexists(f'{self._devices}/{address}/{name}')

    def number(self, address: model.PciAddress, name: str) -> int:
        """Read a decimal number.

        :raises SysfsError: when the file can't be read or is no number
        """
        text = self.read(address, name)
        if not text.isdecimal():
            raise exception.SysfsError(
                str(address),
                wanted=f'a number as {name}',
                found=repr(text),
                remedy="see what the card's driver says in the kernel log",
            )
        return int(text)

    def read_rootonly(
        self, address: model.PciAddress, name: str
    ) -> str | None:
        """Read a file that only root may read, None where there is none.

        :param name: one of the list in `rootonly`
        :raises SysfsError: when it can't be read
        """
        try:
            try:
                return rootonly.read(self.root, address, name)
            except PermissionError:
                if self._rootly is None:
                    raise
                return self._rootly.read(str(address), name)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            if self._rootly is not None and rootonly.may_be_locked(name):
                return None
            raise exception.SysfsError(
                str(address),
                wanted=f'to read its {name}',
                found=str(error),
                remedy='run this as root',
            ) from error
        except OSError as error:
            raise _unreadable(address, name, error) from error

    def set_vgpu_type(self, vf: model.PciAddress, number: int) -> None:
        """Write the type of the vGPU that a VF of NVIDIA's is, 0 for none.

        :raises OSError: as the driver answers
        """
        self._may_change().set_vgpu_type(str(vf), number)

    def openers(self, address: model.PciAddress) -> Sequence[int]:
        """List the processes that have a function open through VFIO.

        :raises OSError: when that can't be seen
        """
        return self._may_change().openers(str(address))

    def _may_change(self) -> rootonly.Rootly:
        if self._rootly is None:
            raise PermissionError(
                errno.EROFS, f'{self.root} is only looked at'
            )
        return self._rootly

    def names(self, address: model.PciAddress, folder: str) -> tuple[str, ...]:
        """List what a folder of a function holds; nothing without it."""
        assert _FOLDERS.fullmatch(folder), folder
        return tuple(sorted(_names(f'{self._devices}/{address}/{folder}')))

    def render_nodes(self) -> dict[model.RenderNode, str]:
        """List the host's render nodes, each with the name of its device.

        The device is a PCI address, or another such as ``vgem``.
        """
        nodes = {}
        folder = self.root / 'sys/class/drm'
        for name in _names(folder):
            if name.startswith('renderD'):
                # …/0000:00:02.0/drm/renderD128
                try:
                    path = pathlib.Path(os.readlink(folder / name))
                except OSError:  # its card was taken from the driver
                    continue
                nodes[model.RenderNode.parse(name)] = path.parts[-3]
        return nodes

    def is_off_the_bus(self, address: model.PciAddress) -> bool:
        """Tell whether a function answers with nothing but ones.

        The kernel keeps in its other files what it read first. Of a VF it
        tells nothing: the ids in its configuration space are all ones.
        """
        try:
            with open(f'{self._devices}/{address}/config', 'rb') as file:
                return file.read(len(_ALL_ONES)) == _ALL_ONES
        except OSError:  # a copy of a host need not have it
            return False

    def link(self, address: model.PciAddress, name: str) -> str | None:
        """Name what a link of a function points to, None without the link."""
        assert name in _LINKS, name
        return _target(f'{self._devices}/{address}/{name}')

    def above(self, address: model.PciAddress) -> tuple[str, ...]:
        """Name the root bus of a function, and the bridges on the way to it.

        Its link leads there:
        ``…/devices/pci0000:00/0000:00:01.0/0000:01:00.0``. A host bridge may
        stand below others, such as ``LNXSYSTM:00``.
        """
        try:
            path = os.readlink(f'{self._devices}/{address}')
        except OSError:  # it went away
            return ()
        parts = tuple(path.split('/')[:-1])
        first = next(
            (n for n, p in enumerate(parts) if _ROOT_BUS.fullmatch(p)), None
        )
        return () if first is None else parts[first:]

    def virtfns(
        self, address: model.PciAddress
    ) -> tuple[model.PciAddress, ...]:
        """List the VFs that a PF has enabled, in order of their number."""
        folder = f'{self._devices}/{address}'
        numbers = sorted(
            int(number)
            for name in _names(folder)
            if name.startswith('virtfn')
            and (number := name.removeprefix('virtfn')).isdecimal()
        )
        targets = (_target(f'{folder}/virtfn{n}') for n in numbers)
        return tuple(model.PciAddress.parse(t) for t in targets if t)

    def group_members(self, group: int) -> tuple[model.PciAddress, ...]:
        """List the PCI functions of an IOMMU group."""
        folder = self.root / f'sys/kernel/iommu_groups/{group}/devices'
        members = []
        for name in _names(folder):
            try:
                members.append(model.PciAddress.parse(name))
            except ValueError:  # an mdev or a platform device
                continue
        return tuple(sorted(members))

    def has_iommu(self) -> bool:
        """Tell whether the kernel uses an IOMMU.

        Groups alone don't tell: an mdev has one without any IOMMU.
        """
        return bool(_names(self.root / 'sys/class/iommu'))

    def mdevs(self, parent: model.PciAddress) -> set[str]:
        """List the UUIDs of a function's mdevs: folders below its own."""
        return {
            name
            for name in _names(f'{self._devices}/{parent}')
            if _UUID.fullmatch(name)
        }

    def mdev_type(self, parent: model.PciAddress, mdev: str) -> str | None:
        """Read the id of an mdev's type, None where the mdev went away."""
        return _target(f'{self._devices}/{parent}/{mdev}/mdev_type')

    def mdev_parent(self, mdev: uuid.UUID) -> str | None:
        """Name the parent of an mdev, None where there is no such mdev."""
        try:
            # ../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/<uuid>
            path = os.readlink(self.root / f'sys/bus/mdev/devices/{mdev}')
        except OSError:
            return None
        return os.path.basename(os.path.dirname(path))


def _unreadable(
    address: model.PciAddress, name: str, error: Exception
) -> exception.SysfsError:
    return exception.SysfsError(
        str(address),
        wanted=f'to read its {name}',
        found=str(error),
        remedy='look for the card in the kernel log: it may have fallen off '
        'the bus',
    )


def _names(folder: str | os.PathLike[str]) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _target(link: str) -> str | None:
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return None
