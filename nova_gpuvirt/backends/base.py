"""What a backend is: one way for a guest to get a GPU."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection
from typing import ClassVar

from nova_gpuvirt import hypervisor as hypervisor_
from nova_gpuvirt import model
from nova_gpuvirt import sysfs as sysfs_


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """A device that stands for a slot which nobody claims."""

    device: str
    slot: model.Slot


class Backend(abc.ABC):
    """Discover, prepare, describe and release the devices of one kind.

    `prepare` may run twice for the same instance, and `release` may find
    nothing: both are then silent.
    """

    kind: ClassVar[model.Kind]

    def __init__(
        self, sysfs: sysfs_.Sysfs, hypervisor: hypervisor_.Hypervisor
    ) -> None:
        self._sysfs = sysfs
        self._hypervisor = hypervisor

    @staticmethod
    @abc.abstractmethod
    def discover(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> model.Gpu:
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
    ) -> tuple[model.GuestDevice, ...]:
        """Describe what goes into the guest's XML."""

    @abc.abstractmethod
    def release(self, slot: model.Slot, instance: str) -> None:
        """Take back what `prepare` made for this instance, and no other's.

        :raises ReleaseFailed: when the device is still in use
        """

    @abc.abstractmethod
    def leftovers(
        self, gpu: model.Gpu, claimed: Collection[model.Slot]
    ) -> tuple[Leftover, ...]:
        """Find what was made for slots that nobody claims any more."""

    @abc.abstractmethod
    def discard(self, leftover: Leftover) -> None:
        """Take back a leftover.

        :raises ReleaseFailed: when the device is still in use
        """
