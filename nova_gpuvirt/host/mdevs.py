"""The mdevs of a host, as its kernel tells of them.

The formats are those of the kernel's Documentation/ABI/testing/sysfs-bus-
vfio-mdev; the numbers are of NVIDIA's driver.
"""

from __future__ import annotations

import posixpath
import re
import uuid

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import numerals

_DEVICES = 'sys/bus/pci/devices'
_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
_NUMBERS = frozenset({'nvidia/gpu_instance_id', 'nvidia/placement_id'})


class Mdevs:
    """The mdevs of the functions of a host."""

    def __init__(self, root: files.Files) -> None:
        self._root = root

    def of(self, parent: model.PciAddress) -> set[str]:
        """List the UUIDs of a function's mdevs: folders below its own."""
        return {
            name
            for name in self._root.names_if_there(f'{_DEVICES}/{parent}')
            if _UUID.fullmatch(name)
        }

    def parent(self, mdev: uuid.UUID) -> str | None:
        """Name the parent of an mdev, None where there is no such mdev."""
        try:
            # ../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/<uuid>
            path = self._root.target(f'sys/bus/mdev/devices/{mdev}')
        except OSError:
            return None
        return posixpath.basename(posixpath.dirname(path))

    def type_id(self, parent: model.PciAddress, mdev: str) -> str | None:
        """Read the id of an mdev's type, None where the mdev went away."""
        return self._root.linked_name(f'{_DEVICES}/{parent}/{mdev}/mdev_type')

    def driver(self, parent: model.PciAddress, mdev: str) -> str | None:
        """Name the driver of an mdev, None where it has none or went away."""
        return self._root.linked_name(f'{_DEVICES}/{parent}/{mdev}/driver')

    def number(
        self, parent: model.PciAddress, mdev: str, name: str
    ) -> int | None:
        """Read a number from a file that not every mdev has.

        :returns: None for anything else, such as ``Not Applicable``
        :raises ValueError: for a file that is not on the list
        """
        text = self._root.text_if_readable(_place(parent, mdev, name)) or ''
        return numerals.decimal(text.strip())

    def can_be_written(
        self, parent: model.PciAddress, mdev: str, name: str
    ) -> bool:
        """Tell whether an mdev has a file that the driver takes writes of.

        :raises ValueError: for a file that is not on the list
        """
        return self._root.can_be_written(_place(parent, mdev, name))


def _place(parent: model.PciAddress, mdev: str, name: str) -> str:
    if name not in _NUMBERS:
        raise ValueError(f'{name!r} is not among what may be read')
    return f'{_DEVICES}/{parent}/{mdev}/{name}'
