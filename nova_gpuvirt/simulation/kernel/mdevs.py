"""The mdevs that exist on a host, and what ``create`` refuses.

Source: the kernel's drivers/vfio/mdev/mdev_{core,sysfs}.c.
"""

from __future__ import annotations

import dataclasses
import errno
import re

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import iommu
from nova_gpuvirt.simulation.kernel import mdevtree

_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


@dataclasses.dataclass(frozen=True, slots=True)
class _Mdev:
    parent: description.Function
    type_group: str
    iommu_group: int
    vfio: int


class Mdevs:
    """All mdevs of a host, by UUID in lower case.

    A parent's types are called ``<driver>-<group>``; they are there while
    its own driver has the function.
    """

    def __init__(
        self,
        files: mdevtree.MdevTree,
        groups: iommu.IommuGroups,
        vfio: iommu.Numbers,
    ) -> None:
        self._files = files
        self._groups = groups
        self._vfio = vfio
        self._mdevs: dict[str, _Mdev] = {}
        self._parents: dict[str, description.Function] = {}

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._mdevs

    def group(self, uuid: str) -> int:
        """Give the IOMMU group of an mdev."""
        return self._mdevs[uuid].iommu_group

    def of(self, parent: description.Function) -> tuple[str, ...]:
        """List the mdevs of a parent, in order of creation."""
        return tuple(
            uuid
            for uuid, mdev in self._mdevs.items()
            if mdev.parent.address == parent.address
        )

    def add_parent(self, function: description.Function) -> None:
        """Show the types of a function that its own driver got."""
        if function.mdev:
            self._parents[function.address] = function
            self._files.add_parent(function, function.mdev)
            self._files.show_available(function, self._available(function))

    def remove_parent(self, function: description.Function) -> None:
        """Destroy the mdevs of a function, and show no types any more."""
        for uuid in self.of(function):
            self.destroy(uuid)
        if self._parents.pop(function.address, None):
            self._files.remove_parent(function)

    def create(
        self, parent: description.Function, type_id: str, text: str
    ) -> None:
        """Do what a write to a type's ``create`` does.

        :raises OSError: EINVAL for what is no UUID, EEXIST when any parent
            of the host has an mdev of that UUID, and what the vendor's
            driver says when it has nothing left of the type
        """
        uuid = text[:36].lower()
        if len(text) not in (36, 37) or not _UUID.fullmatch(uuid):
            raise refusal(errno.EINVAL, f'{text!r} is no UUID')
        if uuid in self._mdevs:
            raise refusal(errno.EEXIST, f'{uuid} exists')
        behaviour = parent.mdev
        assert behaviour is not None, parent.address
        group = type_id.removeprefix(f'{parent.driver}-')
        if self._available(parent)[group] < 1:
            why = f'{parent.address} has no {type_id} left'
            raise refusal(behaviour.no_capacity, why)
        made = _Mdev(
            parent, group, self._groups.take_emulated(), self._vfio.take()
        )
        self._mdevs[uuid] = made
        self._files.add(
            parent,
            uuid,
            group,
            behaviour.driver,
            iommu_group=made.iommu_group,
            vfio=made.vfio,
        )
        self._show_available(parent)

    def destroy(self, uuid: str) -> None:
        """Remove an mdev, whatever holds it."""
        gone = self._mdevs.pop(uuid)
        self._files.remove(
            gone.parent, uuid, gone.type_group, gone.iommu_group
        )
        self._groups.release_emulated(gone.iommu_group)
        self._vfio.release(gone.vfio)
        self._show_available(gone.parent)

    def _available(self, parent: description.Function) -> dict[str, int]:
        assert parent.mdev is not None, parent.address
        mine = [self._mdevs[uuid].type_group for uuid in self.of(parent)]
        card = [
            mdev.type_group
            for mdev in self._mdevs.values()
            if _card(mdev.parent) == _card(parent)
        ]
        return parent.mdev.available(mine, card)

    def _show_available(self, changed: description.Function) -> None:
        """Show anew what all parents of a card have left."""
        for parent in self._parents.values():
            if _card(parent) == _card(changed):
                self._files.show_available(parent, self._available(parent))


def _card(parent: description.Function) -> str:
    """Name the card: VFs are parts of their PF."""
    return parent.physfn or parent.address
