"""The part of a host's sysfs that mdev parents and their mdevs have.

Source: the kernel's Documentation/ABI/testing/sysfs-bus-vfio-mdev, and what
a real kernel showed (Linux 6.12).
"""

from __future__ import annotations

from collections.abc import Mapping

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.kernel import tree

_DEVICES = 'sys/bus/mdev/devices'
_PARENTS = 'sys/class/mdev_bus'


class MdevTree:
    """The files of mdevs, below those of their parents."""

    def __init__(self, place: folder.Folder, host: tree.Tree) -> None:
        self._folder = place
        self._host = host

    def add_parent(
        self, parent: description.Function, behaviour: mdev.Behaviour
    ) -> None:
        """Show a function as a parent, with its types, none available."""
        for kind in behaviour.types():
            path = self._type(parent, kind.group)
            self._folder.directory(f'{path}/devices')
            for name, text in (
                ('available_instances', '0'),
                ('description', kind.description),
                ('device_api', kind.device_api),
                ('name', kind.name),
            ):
                self._folder.file(f'{path}/{name}', f'{text}\n', 0o444)
            self._folder.file(f'{path}/create', '', 0o200)
        link = f'{_PARENTS}/{parent.address}'
        self._folder.link(link, self._host.place(parent))

    def remove_parent(self, parent: description.Function) -> None:
        """Show a function as a parent no longer."""
        self._folder.remove(f'{_PARENTS}/{parent.address}')
        place = self._host.place(parent)
        self._folder.remove(f'{place}/mdev_supported_types')

    def show_available(
        self, parent: description.Function, counts: Mapping[str, int]
    ) -> None:
        """Show how many more mdevs can be created, by the types' groups."""
        for group, count in counts.items():
            path = f'{self._type(parent, group)}/available_instances'
            self._folder.change(path, f'{count}\n')

    def add(
        self,
        parent: description.Function,
        uuid: str,
        type_group: str,
        driver: str,
        *,
        iommu_group: int,
        vfio: int,
    ) -> None:
        """Show a new mdev, with an IOMMU group of its own.

        :param driver: on the mdev bus
        :param vfio: its number below ``vfio-dev``
        """
        path = f'{self._host.place(parent)}/{uuid}'
        kind = self._type(parent, type_group)
        self._folder.file(f'{path}/remove', '', 0o200)
        self._folder.link(f'{path}/driver', f'sys/bus/mdev/drivers/{driver}')
        self._folder.link(f'{path}/subsystem', 'sys/bus/mdev')
        self._folder.link(f'{path}/mdev_type', kind)
        self._host.add_vfio(path, vfio)
        self._host.add_group(iommu_group, emulated=True)
        self._host.join(path, iommu_group)
        self._folder.link(f'{kind}/devices/{uuid}', path)
        self._folder.link(f'{_DEVICES}/{uuid}', path)

    def show(
        self,
        parent: description.Function,
        uuid: str,
        attributes: Mapping[str, str],
    ) -> None:
        """Show the files that its driver gives an mdev."""
        path = f'{self._host.place(parent)}/{uuid}'
        for name, text in attributes.items():
            self._folder.file(f'{path}/{name}', f'{text}\n', 0o644)

    def remove(
        self,
        parent: description.Function,
        uuid: str,
        type_group: str,
        iommu_group: int,
    ) -> None:
        """Show an mdev no longer, nor its IOMMU group."""
        self._folder.remove(f'{_DEVICES}/{uuid}')
        kind = self._type(parent, type_group)
        self._folder.remove(f'{kind}/devices/{uuid}')
        self._folder.remove(f'{self._host.place(parent)}/{uuid}')
        self._host.remove_group(iommu_group)

    def _type(self, parent: description.Function, group: str) -> str:
        types = f'{self._host.place(parent)}/mdev_supported_types'
        return f'{types}/{parent.driver}-{group}'
