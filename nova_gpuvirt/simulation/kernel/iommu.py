"""The numbers that a kernel gives out: IOMMU groups and VFIO devices."""

from __future__ import annotations

from collections.abc import Iterable

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.kernel import tree


class Numbers:
    """Numbers of which the lowest free one is always next (an ida).

    :param reserved: numbers that are never given out
    """

    def __init__(self, reserved: Iterable[int] = ()) -> None:
        self._used = set(reserved)

    def take(self) -> int:
        """Give out a number."""
        number = 0
        while number in self._used:
            number += 1
        self._used.add(number)
        return number

    def release(self, number: int) -> None:
        """Take a number back."""
        self._used.remove(number)


class IommuGroups:
    """Which functions and mdevs are in which group."""

    def __init__(self, host: description.Host, files: tree.Tree) -> None:
        self._enabled = host.iommu
        self._tree = files
        described = {f.iommu_group for f in host.functions}
        self._reserved = frozenset(n for n in described if n is not None)
        self._numbers = Numbers(self._reserved)
        self._members: dict[int, set[str]] = {}

    def join(self, function: description.Function) -> int | None:
        """Put a function in its group, None where there is no IOMMU."""
        if not self._enabled:
            return None
        group = function.iommu_group
        if group is None:
            group = self._numbers.take()
        if group not in self._members:
            self._members[group] = set()
            self._tree.add_group(group)
        self._members[group].add(function.address)
        self._tree.join(self._tree.place(function), group)
        return group

    def leave(self, function: description.Function, group: int) -> None:
        """Take a function out; a group without members goes as well."""
        self._members[group].discard(function.address)
        self._tree.leave(self._tree.place(function), group)
        if not self._members[group]:
            self._tree.remove_group(group)
            del self._members[group]
            if group not in self._reserved:
                self._numbers.release(group)

    def take_emulated(self) -> int:
        """Give the number of a group for one mdev, IOMMU or not."""
        return self._numbers.take()

    def release_emulated(self, group: int) -> None:
        """Take the number of an mdev's group back."""
        self._numbers.release(group)
