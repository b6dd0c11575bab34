"""What a guest had of a card, made clean: the steps, in their order."""

from __future__ import annotations

import logging
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import handover as handover_
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import resets
from nova_gpuvirt.cleaning import hook as hook_
from nova_gpuvirt.cleaning import resetting
from nova_gpuvirt.health import footprint
from nova_gpuvirt.health import record
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import machine as machine_

LOG = logging.getLogger(__name__)


class Cleaner:
    """Who cleans what guests had on a host.

    :param how: what is done for each kind
    :param hook: the site's program, for the kinds that have one
    """

    def __init__(
        self,
        machine: machine_.Machine,
        gpus: gpus_.Gpus,
        handover: handover_.Handover,
        how: ways.Ways,
        hook: hook_.Hook | None = None,
    ) -> None:
        self._machine = machine
        self._gpus = gpus
        self._handover = handover
        self._ways = how
        self._hook = hook
        self._resetting = resetting.Resetting(machine)

    def clean(
        self,
        card: model.PciAddress,
        dirty: record.Dirty,
        held: Collection[model.PciAddress] = (),
    ) -> None:
        """Clean what an instance had, which it does not claim any more.

        What is not there any more, as a VF, is clean; a card that is not
        there is not.

        :param held: the cards of which anybody has something
        :raises ReleaseFailed: when it has to be tried later
        :raises CleanFailed: when it could not be cleaned
        """
        slot = model.Claim('', dirty.slot).slot
        if slot is None:
            raise exception.CleanFailed(
                str(card),
                wanted='to clean what an instance had of it',
                found=f'{dirty.slot}, which this version does not know',
                remedy='update nova-gpuvirt, or run `nova-gpuvirt release '
                f'--clean {card}` when nothing of it is left',
            )
        if self._ways.of(slot.kind) is ways.Way.NONE:
            return
        gpu = self._find(card)
        if _is_another(self._machine, dirty) or not gpu.holds(slot.device):
            return
        self._check_hive(gpu, held)
        with self._handover.undisturbed():
            self._clean(gpu, slot, dirty)

    def _clean(
        self, gpu: model.Gpu, slot: model.Slot, dirty: record.Dirty
    ) -> None:
        assert isinstance(gpu.address, model.PciAddress)
        if self._ways.of(slot.kind) is ways.Way.HOOK and self._hook:
            self._hook.run(gpu.address, slot, gpu.name)
        claim = model.Claim('', dirty.slot)
        for why in self._handover.release(dirty.instance, [claim]).values():
            raise exception.ReleaseFailed(
                str(gpu.address),
                wanted=f'to take {slot} back',
                found=why,
                remedy='it is tried again',
            )
        if slot.takes_all and not_offered.is_let_be(self._machine, gpu):
            return
        functions = self._functions(gpu, slot, dirty)
        if functions:
            self._resetting.reset(functions, dirty.functions)

    def _find(self, card: model.PciAddress) -> model.Gpu:
        """Find a card that can be read.

        :raises ReleaseFailed: without such a card
        """
        found = discovery.of(self._machine, {card})
        for gpu in found.gpus:
            if gpu.address == card and gpu.refusal is None:
                return gpu
        why = found.unreadable.get(card) or next(
            (gpu.refusal for gpu in found.gpus if gpu.refusal is not None),
            'that it is not there',
        )
        raise exception.ReleaseFailed(
            str(card),
            wanted='to clean it for the next guest',
            found=why,
            remedy='it is cleaned when it can be read again',
        )

    def _functions(
        self, gpu: model.Gpu, slot: model.Slot, dirty: record.Dirty
    ) -> list[model.PciFunction]:
        """List the functions that the guest had, the card or the VF first."""
        had = [model.PciAddress.parse(one.address) for one in dirty.functions]
        if not had:
            # It was not read before: what the next guest would have.
            # Renderers that are not on PCI are always among those found.
            claim = model.Claim('', dirty.slot)
            (gpu,) = (
                found
                for found in self._gpus.look_at([claim])
                if found.address == gpu.address
            )
            had = [*self._gpus.backends[slot.kind].functions(gpu, slot)]
        functions = [
            pci_function.read(
                self._machine.sysfs, address, _class(gpu, address)
            )
            for address in had
        ]
        return sorted(functions, key=lambda f: f.address != slot.device)

    def _check_hive(
        self, gpu: model.Gpu, held: Collection[model.PciAddress]
    ) -> None:
        """Make sure that the reset of a card is none of other tenants'.

        :raises ReleaseFailed: while another has a card of its hive
        """
        function = gpu.function
        assert function is not None
        others = self._gpus.hive_of(function.address) & {*held}
        if others and not resets.is_of_one_function(
            self._machine.sysfs, function
        ):
            raise exception.ReleaseFailed(
                str(gpu.address),
                wanted='to reset it for the next guest',
                found='that its reset is one of its whole hive, and servers '
                f'have {", ".join(map(str, sorted(others)))}',
                remedy='it is reset when nobody has these',
            )


def _class(gpu: model.Gpu, address: model.PciAddress) -> int:
    codes = {f.address: f.class_code for f in gpu.functions}
    assert gpu.function is not None
    return codes.get(address, gpu.function.class_code)


def _is_another(machine: machine_.Machine, dirty: record.Dirty) -> bool:
    """Tell whether another card is there than the one that a guest had."""
    for function in dirty.functions:
        now = footprint.read(
            machine.sysfs, model.PciAddress.parse(function.address)
        )
        if (
            now is not None
            and function.config is not None
            and footprint.is_another(function.config, now)
        ):
            return True
    return False
