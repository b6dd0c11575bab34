"""Whole cards on VFIO: a guest gets every function of the card.

libvirt moves the functions to vfio-pci when the guest starts and back to
their drivers when it ends (``managed='yes'``), so nothing is written here but
NVIDIA's lock: its driver lets a card go only when nothing has it open, and
libvirt would wait for that without end.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import in_use
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import processes
from nova_gpuvirt.host import vfio
from nova_gpuvirt.model import guest_device

LOG = logging.getLogger(__name__)

# Where Intel's integrated GPU is, on the host as in a guest.
_IGD = model.PciAddress(0, 0, 2, 0)
# How long a boot waits for what has the card open, in seconds: nvidia-smi and
# its like are done by then. And how often it looks.
_PATIENCE = 15.0
_PAUSE = 0.5
# After how many seconds updates look again where nobody could be seen: each
# look may start a command that fails.
_BLIND = 600.0


class Passthrough(base.Backend):
    """Hand over a card with its companions, as one slot of the guest."""

    kind = model.WHOLE
    makes = False

    def __init__(self, machine: machine_.Machine) -> None:
        super().__init__(machine)
        self._in_use = in_use.InUse()
        self._unseen: str | None = None
        self._blind_until = 0.0

    def refresh_all(self, gpus: Collection[model.Gpu]) -> None:
        """Look who has the cards open, where root can be asked."""
        cards = []
        for gpu in gpus:
            card = _with_driver(gpu)
            if card is None:
                self._in_use.forget(gpu.address)
            else:
                cards.append(card)
        if not cards or self._sysfs.rootly is None:
            return
        if time.monotonic() < self._blind_until:
            return
        try:
            found = self._sysfs.card_openers(cards)
        except Exception as error:  # this withdraws nothing
            self._be_blind(error)
            return
        for card, openers in found.items():
            if openers is None:
                self._be_blind(processes.Hidden())
            else:
                self._in_use.saw(card, openers)

    def _be_blind(self, error: Exception) -> None:
        self._blind_until = time.monotonic() + _BLIND
        why = str(error)
        if why != self._unseen:
            LOG.info(
                'Cards are offered whole though processes of the host may '
                'have them open, which can not be seen: %s',
                why,
            )
        self._unseen = why

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Tell why a card can't be given whole, or is not to others."""
        gpu = not_offered.without_stuck(self._machine, gpu)
        return dataclasses.replace(
            gpu,
            whole_refusal=not_offered.whole(self._machine, gpu),
            whole_withheld=not_offered.whole_to_others(self._machine, gpu)
            or self._in_use.why_not(gpu.address),
        )

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make sure that the card can still be given.

        Wait, for some seconds, until nothing of the host has it open.
        """
        if gpu.whole_refusal is not None:
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'the whole {gpu.model} for instance {instance}',
                found=f'that {gpu.whole_refusal}',
                remedy='put that right, or keep the card from guests with '
                '[gpuvirt]exclude',
            )
        card = _with_driver(gpu)
        if card is None:
            return False
        deadline = time.monotonic() + _PATIENCE
        while True:
            is_locked, opener = self._let_go(card)
            if opener is None:
                return is_locked
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        raise exception.PrepareFailed(
            str(card),
            wanted=f'the whole {gpu.model} for instance {instance}',
            found=f'that {opener} still has it after {_PATIENCE:.0f} s',
            remedy='end that on the host, or let vfio-pci have the card from '
            'the start of the host',
        )

    def _let_go(self, card: model.PciAddress) -> tuple[bool, str | None]:
        """Tell whether its driver's lock is held, and else who has a card.

        Who can't be seen does not keep a guest from its card: without
        NVIDIA's lock only a warning says so.
        """
        is_locked = unseen = openers = None
        try:
            is_locked = self._sysfs.hold_unbind_lock(card, wanted=True)
            if is_locked:
                return True, None
        except Exception as error:
            unseen = str(error)
        try:
            openers = self._sysfs.card_openers([card])[card]
            if openers is None:
                unseen = str(processes.Hidden())
        except Exception as error:
            unseen = str(error)
        opener = in_use.keeping(openers, is_locked)
        if opener is None and unseen is not None:
            LOG.warning(
                'Who has %s open on the host can not be seen: %s. While '
                'something has, libvirt may hang',
                *(card, unseen),
            )
        return False, opener

    def release(self, slot: model.Slot, instance: str) -> None:
        """Give the lock back, where the card never went to the guest."""
        if isinstance(slot.device, model.PciAddress):
            self._sysfs.hold_unbind_lock(slot.device, wanted=False)

    def functions(
        self, gpu: model.Gpu, slot: model.Slot
    ) -> tuple[model.PciAddress, ...]:
        """List the card and its companions."""
        return tuple(function.address for function in gpu.functions)

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
                igd=f.address == _IGD and f.vendor_id == model.INTEL,
                card=str(gpu.address),
                numa_node=gpu.function.numa_node if gpu.function else None,
            )
            for f in functions
        )


def _with_driver(gpu: model.Gpu) -> model.PciAddress | None:
    """Tell which card libvirt would have to take from a driver, if any."""
    function = gpu.function
    if function is None or function.driver is None:
        return None
    return None if vfio.is_driver(function.driver) else function.address
