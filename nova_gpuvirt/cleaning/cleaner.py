"""What a guest had of a card, made clean: the steps, in their order."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import handover as handover_
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import resets
from nova_gpuvirt.cards import vgpu as vgpu_
from nova_gpuvirt.cleaning import hook as hook_
from nova_gpuvirt.cleaning import resetting
from nova_gpuvirt.cleaning import vfs
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import footprint
from nova_gpuvirt.health import record
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import vfio

LOG = logging.getLogger(__name__)


class Cleaner:
    """Who cleans what guests had on a host.

    :param dirt: remembers what cards lose while they are cleaned
    :param how: what is done for each kind
    :param hook: the site's program, for the kinds that have one
    """

    def __init__(
        self,
        machine: machine_.Machine,
        gpus: gpus_.Gpus,
        handover: handover_.Handover,
        dirt: dirt_.Dirt,
        how: ways.Ways,
        hook: hook_.Hook | None = None,
    ) -> None:
        self._machine = machine
        self._gpus = gpus
        self._handover = handover
        self._dirt = dirt
        self._ways = how
        self._hook = hook
        self._resetting = resetting.Resetting(machine)
        # For what the hook has ended well, and which is not clean yet.
        self._hooked: set[tuple[model.PciAddress, tuple[str, str]]] = set()

    def clean(
        self,
        card: model.PciAddress,
        dirty: record.Dirty,
        held: Collection[model.PciAddress] = (),
    ) -> None:
        """Clean what an instance had, which it does not claim any more.

        What is not there any more, as a VF, is clean, and so is another card
        in its place, by the kernel's word; a card that is not there is not.

        :param held: the cards of which anybody has something
        :raises ReleaseFailed: when it has to be tried later
        :raises CleanFailed: when it could not be cleaned
        """
        slot = dirty.claim.slot
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
        if not gpu.holds(slot.device):
            return
        if _is_another(gpu, slot, dirty):
            # The guest never had this one, which may have VFs by now: taking
            # it from its driver would end them.
            LOG.info('%s is another card than %s had', card, dirty.instance)
            return
        if slot.takes_all:
            self._check_hive(gpu, held)
        with self._handover.undisturbed():
            self._clean(gpu, slot, dirty)
        self._hooked.discard((card, dirty.key))

    def _clean(
        self, gpu: model.Gpu, slot: model.Slot, dirty: record.Dirty
    ) -> None:
        functions = self._functions(gpu, slot, dirty)
        self._run_hook(gpu, slot, dirty, functions)
        left = self._handover.release(dirty.instance, [dirty.claim])
        for why in left.values():
            raise exception.ReleaseFailed(
                str(gpu.address),
                wanted=f'to take {slot} back',
                found=why,
                remedy='it is tried again',
            )
        if slot.takes_all and not_offered.is_let_be(self._machine, gpu):
            return
        if functions:
            self._reset(gpu, slot, dirty, functions)

    def _reset(
        self,
        gpu: model.Gpu,
        slot: model.Slot,
        dirty: record.Dirty,
        functions: Sequence[model.PciFunction],
    ) -> None:
        before = self._before(dirty)
        card = gpu.address
        if not slot.takes_all or not isinstance(card, model.PciAddress):
            self._resetting.reset(functions, before)
            return
        count = vfs.note(self._machine, self._dirt, card, dirty)
        self._resetting.reset(functions, before)
        vfs.make_again(self._machine, card, count)

    def _before(self, dirty: record.Dirty) -> list[record.Function]:
        """List what functions have to be again, as they were before.

        What the firmware and the host have changed since the host's start is
        nothing that a guest did. What vfio-pci had then and has now stays
        with it.
        """
        boot = kernel.boot_id(self._machine.sysfs.root)
        if not footprint.is_of_another_boot(dirty, boot):
            return [*dirty.functions]
        return [
            record.Function(one.address, self._vfio_still(one), None)
            for one in dirty.functions
        ]

    def _vfio_still(self, before: record.Function) -> str | None:
        """Name VFIO's driver that a function has, if it had one before."""
        address = model.PciAddress.parse(before.address)
        now = self._machine.sysfs.link(address, 'driver')
        has_been = vfio.is_driver(before.driver) and vfio.is_driver(now)
        return now if has_been else None

    def _run_hook(
        self,
        gpu: model.Gpu,
        slot: model.Slot,
        dirty: record.Dirty,
        functions: Sequence[model.PciFunction],
    ) -> None:
        """Run the site's program once for what nobody has any more.

        :raises ReleaseFailed: while somebody has it
        :raises CleanFailed: when the program fails
        """
        assert isinstance(gpu.address, model.PciAddress)
        ours = (gpu.address, dirty.key)
        if (
            self._hook is None
            or self._ways.of(slot.kind) is not ways.Way.HOOK
            or ours in self._hooked
        ):
            return
        if functions:
            # The lock of NVIDIA's driver would keep the program off, too.
            self._resetting.check_unused(functions)
        else:
            self._check_no_guest(slot, dirty.instance)
        self._hook.run(gpu.address, slot, gpu.name)
        self._hooked.add(ours)

    def _check_no_guest(self, slot: model.Slot, instance: str) -> None:
        """Make sure that no guest has a vGPU.

        :raises ReleaseFailed: when one has it, or libvirt does not answer
        """
        vgpu = (
            slot.device
            if slot.index is None
            else vgpu_.uuid_of(slot, instance)
        )
        assert isinstance(vgpu, model.PciAddress | uuid.UUID)
        guest = self._machine.hypervisor.guest_with(vgpu)
        if guest is not None:
            raise exception.ReleaseFailed(
                str(slot),
                wanted='to clean it for the next guest',
                found=f'that the running guest {guest} has it',
                remedy='it is cleaned when that has ended',
            )

    def forget(self, instance: str) -> None:
        """Let the program run anew for what an instance has again."""
        # Another card's thread may add one meanwhile.
        for card, (owner, slot) in tuple(self._hooked):
            if owner == instance:
                self._hooked.discard((card, (owner, slot)))

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
        """List the functions that the guest had, the card or the VF first.

        Those that a record names are believed as far as they are the card's.
        """
        own = {f.address for f in gpu.functions}
        if not slot.takes_all:
            own = {a for a in (slot.device,) if a in gpu.virtfns}
        had = [
            address
            for one in dirty.functions
            if (address := model.PciAddress.parse(one.address)) in own
        ]
        if slot.device not in had:
            # It was not read before: what the next guest would have.
            # Renderers that are not on PCI are always among those found.
            (gpu,) = (
                found
                for found in self._gpus.look_at([dirty.claim])
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
        if resets.is_of_one_function(self._machine.sysfs, function):
            return
        others = self._gpus.hives.beside(function.address, held)
        if others:
            raise exception.ReleaseFailed(
                str(gpu.address),
                wanted='to reset it for the next guest',
                found='that its reset may be one of its whole hive, and '
                f'servers have {", ".join(map(str, sorted(others)))}',
                remedy='it is reset when nobody has these',
            )


def _class(gpu: model.Gpu, address: model.PciAddress) -> int:
    codes = {f.address: f.class_code for f in gpu.functions}
    assert gpu.function is not None
    return codes.get(address, gpu.function.class_code)


def _is_another(gpu: model.Gpu, slot: model.Slot, dirty: record.Dirty) -> bool:
    """Tell whether another card is there than the one that a guest had."""
    assert gpu.function is not None
    return slot.takes_all and any(
        footprint.is_another(function.config, gpu.function.ids)
        for function in dirty.functions
        if function.address == str(slot.device) and function.config
    )
