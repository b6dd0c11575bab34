"""What a backend is: one way for a guest to get a GPU."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection
from typing import ClassVar

from nova_gpuvirt import model
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.model import guest_device


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """A device that stands for a slot which nobody claims."""

    device: str
    slot: model.Slot


class Backend(abc.ABC):
    """Discover, prepare, describe and release the devices of one kind.

    `prepare` may run twice for the same instance, and `release` may find
    nothing: both are then silent. What is not abstract here suits a backend
    that makes nothing: its devices are there, and are given as they are.

    :cvar kind: its word in slots, traits and the option ``kinds``
    :cvar makes: whether its devices are made for a guest, and cease to be
        when they are released; one that stays has to be cleaned
    """

    kind: ClassVar[str]
    makes: ClassVar[bool] = True

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self._sysfs = machine.sysfs

    def refresh(self, gpu: model.Gpu) -> None:  # noqa: B027
        """Ask what takes long to answer; no lock of Nova's is held."""

    def refresh_all(self, gpus: Collection[model.Gpu]) -> None:  # noqa: B027
        """Ask what is asked of all cards at once; `refresh` follows."""

    @abc.abstractmethod
    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add to a card what can be had of it in this way.

        :raises SysfsError: when the card's files make no sense
        """

    @abc.abstractmethod
    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make the slot's device ready for the guest of an instance.

        :returns: whether anything had to be done
        :raises PrepareFailed: when it can't be; nothing is left half-made
        """

    @abc.abstractmethod
    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[guest_device.GuestDevice, ...]:
        """Describe what goes into the guest's XML."""

    def functions(
        self, gpu: model.Gpu, slot: model.Slot
    ) -> tuple[model.PciAddress, ...]:
        """List the PCI functions that are reset before the next guest."""
        return ()

    def release(self, slot: model.Slot, instance: str) -> None:  # noqa: B027
        """Take back what `prepare` made for this instance, and no other's.

        :raises ReleaseFailed: when the device is still in use
        """

    def leftovers(
        self, gpu: model.Gpu, claimed: Collection[model.Slot]
    ) -> tuple[Leftover, ...]:
        """Find what was made for slots that nobody claims any more."""
        places = {slot.place for slot in claimed}
        share = gpu.share(self.kind)
        return tuple(
            Leftover(vgpu.device, vgpu.slot)
            for vgpu in (share.vgpus if share else ())
            if vgpu.slot is not None and vgpu.slot.place not in places
        )

    def discard(self, leftover: Leftover) -> None:  # noqa: B027
        """Take back a leftover.

        :raises ReleaseFailed: when the device is still in use
        """
