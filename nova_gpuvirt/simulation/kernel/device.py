"""The state of one PCI function on a running host."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description


class InUse(Exception):
    """The kernel waits, for as long as somebody has something open."""


@dataclasses.dataclass(slots=True)
class Device:
    """A function, and what the kernel has made of it.

    :ivar group: its IOMMU group
    :ivar override: the driver that ``driver_override`` names
    :ivar vfio: its number below ``vfio-dev``
    :ivar autoprobe: whether its VFs get a driver by themselves
    :ivar config: the configuration space
    :ivar vfs: the VFs that are enabled, in order of their number
    """

    function: description.Function
    group: int | None
    driver: str | None = None
    override: str | None = None
    vfio: int | None = None
    autoprobe: bool = True
    config: bytes = b''
    vfs: list[str] = dataclasses.field(default_factory=list)

    @property
    def has_own_driver(self) -> bool:
        """Tell whether the driver that the host has for it has it."""
        return self.driver is not None and self.driver == self.function.driver
