"""Read what a host's kernel says of its PCI functions.

Only what is named here is ever read: some vendors' files act when they are
read (`reset_gpu` of AMD's gim resets the card), so nothing is globbed.

The formats are those of the kernel's Documentation/ABI/testing/sysfs-bus-pci
and sysfs-bus-vfio-mdev.
"""

from __future__ import annotations

import os
import pathlib
import re
import uuid

from nova_gpuvirt import exception
from nova_gpuvirt import model

_ATTRIBUTES = frozenset(
    {
        'boot_vga',
        'class',
        'device',
        'numa_node',
        'resource',
        'sriov_totalvfs',
        'subsystem_device',
        'subsystem_vendor',
        'vendor',
    }
)
_LINKS = frozenset({'driver', 'iommu_group', 'physfn'})
_MDEV_TYPE_ATTRIBUTES = frozenset({'description', 'name'})


class Sysfs:
    """The kernel's view of a host, below any root.

    :param root: the folder that holds ``sys``; ``/`` is this machine, and a
        copy of another machine's sysfs, or a simulated one, does as well
    """

    def __init__(self, root: str | os.PathLike[str] = '/') -> None:
        self.root = pathlib.Path(root)
        self._devices = self.root / 'sys/bus/pci/devices'

    def addresses(self) -> tuple[model.PciAddress, ...]:
        """List every PCI function, in order of address."""
        return tuple(
            sorted(
                model.PciAddress.parse(name) for name in _names(self._devices)
            )
        )

    def read(self, address: model.PciAddress, attribute: str) -> str:
        """Read one attribute of a function, without its last newline.

        :raises SysfsError: when the file can't be read
        """
        assert attribute in _ATTRIBUTES, attribute
        return self._text(address, attribute)

    def read_if_there(
        self, address: model.PciAddress, attribute: str
    ) -> str | None:
        """Read an attribute that not every function has.

        :raises SysfsError: when the file is there and can't be read
        """
        assert attribute in _ATTRIBUTES, attribute
        if not os.path.lexists(self._devices / str(address) / attribute):
            return None
        return self._text(address, attribute)

    def link(self, address: model.PciAddress, name: str) -> str | None:
        """Name what a link of a function points to, None without the link."""
        assert name in _LINKS, name
        return _target(self._devices / str(address) / name)

    def virtfns(
        self, address: model.PciAddress
    ) -> tuple[model.PciAddress, ...]:
        """List the VFs that a PF has enabled, in order of their number."""
        folder = self._devices / str(address)
        numbers = sorted(
            int(name.removeprefix('virtfn'))
            for name in _names(folder)
            if re.fullmatch(r'virtfn\d+', name)
        )
        targets = (_target(folder / f'virtfn{n}') for n in numbers)
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

    def mdev_types(self, address: model.PciAddress) -> tuple[str, ...]:
        """List the ids of the mdev types that a function supports."""
        return tuple(
            sorted(
                _names(self._devices / str(address) / 'mdev_supported_types')
            )
        )

    def mdev_type(
        self, address: model.PciAddress, type_id: str, attribute: str
    ) -> str | None:
        """Read an attribute of an mdev type, None where it has none.

        :raises SysfsError: when the file is there and can't be read
        """
        assert attribute in _MDEV_TYPE_ATTRIBUTES, attribute
        path = f'mdev_supported_types/{type_id}/{attribute}'
        if not os.path.lexists(self._devices / str(address) / path):
            return None
        return self._text(address, path)

    def mdev_available(self, address: model.PciAddress, type_id: str) -> int:
        """Read how many more mdevs of a type the driver would make now.

        :raises SysfsError: when the file can't be read or is no number
        """
        path = f'mdev_supported_types/{type_id}/available_instances'
        text = self._text(address, path)
        if not text.isdecimal():
            raise exception.SysfsError(
                str(address),
                wanted=f'a number as {path}',
                found=repr(text),
                remedy="see what the card's driver says in the kernel log",
            )
        return int(text)

    def mdevs(
        self, address: model.PciAddress, type_id: str
    ) -> tuple[uuid.UUID, ...]:
        """List the mdevs of one type that a function has now."""
        folder = (
            self._devices
            / str(address)
            / f'mdev_supported_types/{type_id}/devices'
        )
        return tuple(sorted(uuid.UUID(name) for name in _names(folder)))

    def mdev_parent(self, mdev: uuid.UUID) -> str | None:
        """Name the parent of an mdev, None where there is no such mdev."""
        link = self.root / f'sys/bus/mdev/devices/{mdev}'
        if not link.exists():
            return None
        return link.resolve().parent.name

    def _text(self, address: model.PciAddress, attribute: str) -> str:
        path = self._devices / str(address) / attribute
        try:
            return path.read_text().rstrip('\n')
        except (OSError, UnicodeDecodeError) as error:
            raise exception.SysfsError(
                str(address),
                wanted=f'to read its {attribute}',
                found=str(error),
                remedy='look for the card in the kernel log: it may have '
                'fallen off the bus',
            ) from error


def _names(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _target(link: pathlib.Path) -> str | None:
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return None
