"""Whole cards on VFIO: a guest gets every function of the card.

libvirt moves the functions to vfio-pci when the guest starts and back to
their drivers when it ends (``managed='yes'``), so nothing is written here.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.model import guest_device

_INTEL = 0x8086
# Where Intel's integrated GPU is, on the host as in a guest.
_IGD = model.PciAddress(0, 0, 2, 0)


class Passthrough(base.Backend):
    """Hand over a card with its companions, as one slot of the guest."""

    kind = model.WHOLE

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Tell why a card can't be given whole, if it can't."""
        return dataclasses.replace(
            gpu, whole_refusal=not_offered.whole(self._machine, gpu)
        )

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
    ) -> tuple[guest_device.Pci, ...]:
        """Describe the card, and its companions as functions beside it."""
        functions = gpu.functions
        first = functions[0].address.function
        alone = len(functions) == 1
        return tuple(
            guest_device.Pci(
                f.address,
                managed=True,
                slot=None if alone else str(gpu.address),
                function=f.address.function - first,
                bars=f.bars,
                igd=f.address == _IGD and f.vendor_id == _INTEL,
                card=str(gpu.address),
                numa_node=gpu.function.numa_node if gpu.function else None,
            )
            for f in functions
        )
