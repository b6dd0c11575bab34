"""Whole cards on VFIO: a guest gets every function of the card.

libvirt moves the functions to vfio-pci when the guest starts and back to
their drivers when it ends (``managed='yes'``), so nothing is written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import sysfs as sysfs_
from nova_gpuvirt.backends import base


class Passthrough(base.Backend):
    """Hand over a card with its companions, as one slot of the guest."""

    kind = model.Kind.PASSTHROUGH

    @staticmethod
    def discover(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> model.Gpu:
        """Tell why a card can't be given whole, if it can't."""
        return dataclasses.replace(gpu, whole_refusal=_refusal(sysfs, gpu))

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make sure that the card can still be given."""
        if gpu.whole_refusal is not None:
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'the whole {gpu.model} for instance {instance}',
                found=f'that {gpu.whole_refusal}',
                remedy='put that right, or keep the card from guests with '
                '[gpuvirt]exclude',
            )
        return False

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[model.GuestPci, ...]:
        """Describe the card, and its companions as functions beside it."""
        functions = sorted(
            (gpu.function, *gpu.companions), key=lambda f: f.address
        )
        if len(functions) == 1:
            return (model.GuestPci(gpu.address, managed=True),)
        first = functions[0].address.function
        return tuple(
            model.GuestPci(
                f.address,
                managed=True,
                slot=str(gpu.address),
                function=f.address.function - first,
            )
            for f in functions
        )

    def release(self, slot: model.Slot, instance: str) -> None:
        """Leave it to libvirt, which gives the functions back itself."""

    def leftovers(
        self, gpu: model.Gpu, claimed: Collection[model.Slot]
    ) -> tuple[base.Leftover, ...]:
        """Find nothing: nothing is made for a whole card."""
        return ()

    def discard(self, leftover: base.Leftover) -> None:
        """Leave it to libvirt, as `release` does."""


def _refusal(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> str | None:
    function = gpu.function
    if function.boot_vga:
        return "it is the firmware's boot VGA"
    if function.iommu_group is None:
        return (
            'it has no IOMMU group: switch the IOMMU on in the firmware and '
            'on the kernel command line (intel_iommu=on, on AMD it is on '
            'by itself)'
        )
    if function.virtfns:
        return f'{len(function.virtfns)} virtual functions of it are enabled'
    others = _others_of_groups(sysfs, gpu)
    if others:
        return 'its IOMMU group would take along ' + ', '.join(
            str(address) for address in others
        )
    return None


def _others_of_groups(
    sysfs: sysfs_.Sysfs, gpu: model.Gpu
) -> tuple[model.PciAddress, ...]:
    """List the endpoints that a guest would get beyond the card.

    Bridges stay behind: vfio-pci does not bind them, and they don't keep a
    group from being used (kernel Documentation/driver-api/vfio.rst).
    """
    own = (gpu.function, *gpu.companions)
    addresses = {f.address for f in own}
    groups = {f.iommu_group for f in own if f.iommu_group is not None}
    return tuple(
        member
        for group in sorted(groups)
        for member in sysfs.group_members(group)
        if member not in addresses and not _is_bridge(sysfs, member)
    )


def _is_bridge(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> bool:
    return sysfs.read(address, 'class').startswith(f'0x{model.PCI_BRIDGE:04x}')
