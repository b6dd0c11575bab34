"""The mdevs that exist on a host, and what ``create`` refuses.

Source: the kernel's drivers/vfio/mdev/mdev_{core,sysfs}.c.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Collection

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import iommu
from nova_gpuvirt.simulation.kernel import mdevtree
from nova_gpuvirt.simulation.kernel import vgpu_manager

_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')


@dataclasses.dataclass(frozen=True, slots=True)
class _Mdev:
    parent: description.Function
    made: mdev.Mdev
    iommu_group: int
    vfio: int


class Mdevs:
    """All mdevs of a host, by UUID in lower case.

    A parent's types are called ``<driver>-<group>``; they are there while
    its own driver has the function.

    :param held: what processes have open
    :param manager: NVIDIA's, which may keep an mdev for longer
    """

    def __init__(
        self,
        files: mdevtree.MdevTree,
        groups: iommu.IommuGroups,
        vfio: iommu.Numbers,
        held: Collection[str],
        manager: vgpu_manager.VgpuManager,
    ) -> None:
        self._files = files
        self._groups = groups
        self._vfio = vfio
        self._held = held
        self._manager = manager
        self._mdevs: dict[str, _Mdev] = {}
        self._parents: dict[str, description.Function] = {}

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._mdevs

    def group(self, uuid: str) -> int:
        """Give the IOMMU group of an mdev."""
        return self._mdevs[uuid].iommu_group

    def parent(self, uuid: str) -> str:
        """Give the address of an mdev's parent."""
        return self._mdevs[uuid].parent.address

    def driver(self, uuid: str) -> str:
        """Name the driver on the mdev bus that has an mdev."""
        behaviour = self._mdevs[uuid].parent.mdev
        assert behaviour is not None, uuid
        return behaviour.driver

    def of(self, parent: description.Function) -> tuple[str, ...]:
        """List the mdevs of a parent, in order of creation."""
        return tuple(
            uuid
            for uuid, entry in self._mdevs.items()
            if entry.parent.address == parent.address
        )

    def vgpus(self, card: str) -> list[object]:
        """List what the mdevs of a card of NVIDIA's are."""
        return [
            entry.made.vgpu
            for entry in self._mdevs.values()
            if _card(entry.parent) == card
        ]

    def share(self, card: str, memory: nvidia.Memory) -> None:
        """Let mdevs share a card of NVIDIA's in another way."""
        for before in [*self._parents.values()]:
            if _card(before) == card:
                after = _sharing(before, memory)
                assert before.mdev and after.mdev, card
                self._parents[after.address] = after
                if before.mdev.types() != after.mdev.types():
                    self._files.remove_parent(before)
                    self._files.add_parent(after, after.mdev)
                self._files.show_available(after, self._available(after))

    def add_parent(
        self,
        function: description.Function,
        memory: nvidia.Memory | None = None,
    ) -> None:
        """Show the types of a function that its own driver got.

        :param memory: how mdevs share the card now, where that can change
        """
        if memory is not None:
            function = _sharing(function, memory)
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
        parent = self._parents[parent.address]
        behaviour = parent.mdev
        assert behaviour is not None, parent.address
        group = type_id.removeprefix(f'{parent.driver}-')
        if self._available(parent)[group] < 1:
            why = f'{parent.address} has no {type_id} left'
            raise refusal(behaviour.no_capacity, why)
        made = _Mdev(
            parent,
            behaviour.make(group, self._on_card(parent)),
            self._groups.take_emulated(),
            self._vfio.take(),
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
        self._files.show(parent, uuid, behaviour.attributes(made.made))
        self._show_available(parent)

    def move(self, uuid: str, name: str, number: int) -> None:
        """Do what a write of a number to an mdev's own file does.

        :raises OSError: EBUSY while the mdev is held, EIO for what can't be
            done
        """
        if uuid in self._held:
            raise refusal(errno.EBUSY, f'{uuid} is in use')
        entry = self._mdevs[uuid]
        behaviour = self._parents[entry.parent.address].mdev
        assert behaviour is not None, entry.parent.address
        others = self._on_card(entry.parent, without=uuid)
        moved = behaviour.move(entry.made, others, name, number)
        if moved is None:
            raise refusal(errno.EIO, f'{uuid} can not have {name} {number}')
        self._mdevs[uuid] = dataclasses.replace(entry, made=moved)
        self._files.show(entry.parent, uuid, behaviour.attributes(moved))
        self._show_available(entry.parent)

    def remove(self, uuid: str) -> None:
        """Do what a write of 1 to an mdev's ``remove`` does.

        Unverified for drivers of vendors: while a process holds the mdev,
        some refuse with EBUSY, as here, and some wait.

        :raises OSError: EBUSY while the mdev is held, or NVIDIA's manager
            keeps it
        """
        if uuid in self._held or self._manager.keeps(uuid):
            raise refusal(errno.EBUSY, f'{uuid} is in use')
        self.destroy(uuid)

    def destroy(self, uuid: str) -> None:
        """Remove an mdev, whatever holds it."""
        self._manager.forget(uuid)
        gone = self._mdevs.pop(uuid)
        self._files.remove(
            gone.parent, uuid, gone.made.group, gone.iommu_group
        )
        self._groups.release_emulated(gone.iommu_group)
        self._vfio.release(gone.vfio)
        self._show_available(gone.parent)

    def _available(self, parent: description.Function) -> dict[str, int]:
        assert parent.mdev is not None, parent.address
        mine = [self._mdevs[uuid].made for uuid in self.of(parent)]
        return parent.mdev.available(mine, self._on_card(parent))

    def _on_card(
        self, parent: description.Function, without: str | None = None
    ) -> list[mdev.Mdev]:
        """List the mdevs of a card, all VFs of it together."""
        return [
            entry.made
            for uuid, entry in self._mdevs.items()
            if _card(entry.parent) == _card(parent) and uuid != without
        ]

    def _show_available(self, changed: description.Function) -> None:
        """Show anew what all parents of a card have left."""
        for parent in self._parents.values():
            if _card(parent) == _card(changed):
                self._files.show_available(parent, self._available(parent))


def _sharing(
    parent: description.Function, memory: nvidia.Memory
) -> description.Function:
    """Describe a parent whose card mdevs share in this way."""
    if parent.mdev is None:
        return parent
    return dataclasses.replace(parent, mdev=parent.mdev.shared(memory))


def _card(parent: description.Function) -> str:
    """Name the card: VFs are parts of their PF."""
    return parent.physfn or parent.address
