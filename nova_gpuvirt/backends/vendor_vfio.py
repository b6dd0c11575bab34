"""vGPUs of NVIDIA on kernels whose driver offers them through VFIO itself.

Each VF has ``nvidia/creatable_vgpu_types``, what it could become now, and
``nvidia/current_vgpu_type``, what it is. A vGPU is made by writing its type's
number when a guest is built, and taken back by writing 0 when the guest is
gone; the VF stays with NVIDIA's driver (``managed='no'``). Both refuse to be
written over, 0 over 0 as well, so each write has its check before.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import processes
from nova_gpuvirt.host import vfio
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_vfs

LOG = logging.getLogger(__name__)

_DAEMON = 'nvidia-vgpu-mgr'


class VendorVfio(base.Backend):
    """Make vGPUs on the virtual functions that ``sriov-manage`` enabled."""

    kind = 'vendor-vfio'

    def __init__(self, machine: machine_.Machine) -> None:
        super().__init__(machine)
        self._smi = nvidia_smi.NvidiaSmi(machine.ask, machine.gpu_instances)
        self._libvirt: int | None = None
        # The lists shrink as vGPUs are made: the names of types that were
        # seen on a card are kept.
        self._names: dict[model.Device, dict[int, str]] = {}
        # Of two vGPUs of a card that are made at once, the second sees where
        # the first lies. A driver may take a minute to answer for one card.
        self._making: dict[model.Device, threading.Lock] = {}

    def refresh(self, gpu: model.Gpu) -> None:
        """Ask NVIDIA's command, where the card has changed since.

        libvirt is asked once for its version.
        """
        vfs = nvidia_vfs.read(self._sysfs, gpu)
        if vfs:
            if self._libvirt is None:
                self._libvirt = self._machine.hypervisor.version()
            assert isinstance(gpu.address, model.PciAddress)
            state = (
                tuple(vf.current for vf in vfs),
                frozenset(n for vf in vfs for n in vf.creatable),
            )
            self._smi.learn(gpu.address, state)

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add what the card's VFs are, and what they could become."""
        vfs = [
            self._unless_shared(vf) for vf in nvidia_vfs.read(self._sysfs, gpu)
        ]
        if not vfs:
            return _without_vfs(gpu)
        assert isinstance(gpu.address, model.PciAddress)
        card = self._smi.card(gpu.address)
        names = dict(self._names.get(gpu.address, {}))
        for vf in vfs:
            names |= vf.creatable
        self._names[gpu.address] = names
        share = nvidia_vfs.share(
            self.kind,
            vfs,
            names,
            card,
            chosen=nvidia_vfs.can_place(self._sysfs, vfs),
        )
        if share.refusal is not None and (missing := self._missing_daemon()):
            share = dataclasses.replace(
                share, refusal=f'{share.refusal}; {missing}'
            )
        if (
            self._libvirt is not None
            and self._libvirt < hypervisor.LIBVIRT_WITH_VARIANTS
        ):
            share = dataclasses.replace(
                share,
                refusal=f'libvirt {self._libvirt} can not give a VF that '
                'stays with its driver: use libvirt 10.0.0 or newer',
            )
        traits = gpu.traits
        if card is not None:
            traits |= card.traits
        return dataclasses.replace(
            gpu, shares=(*gpu.shares, share), traits=traits
        )

    def _unless_shared(self, vf: nvidia_vfs.Vf) -> nvidia_vfs.Vf:
        """Refuse a VF that the IOMMU can't give to a guest alone."""
        why = vfio.why_not_alone(self._machine, [vf.address])
        if why is None:
            return vf
        return dataclasses.replace(vf, creatable={}, refusal=why)

    def _missing_daemon(self) -> str | None:
        """Tell that the daemon does not run, or may not; None if it does."""
        runs = processes.running(self._sysfs.root, _DAEMON)
        if runs is False:
            return f'{_DAEMON} is not running: start it'
        if runs is None and processes.hidden(self._sysfs.root):
            return (
                f'whether {_DAEMON} runs can not be seen: '
                f'{processes.WHAT_TO_SET}'
            )
        return None

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make the VF the vGPU that it is claimed as, if it isn't yet."""
        vf = _vf(slot)
        current = nvidia_vfs.current(self._sysfs, vf)
        if current and self._is_made(gpu, slot, instance, current):
            return False
        if current:
            self._clear(vf)
        number = self._number(gpu, slot, instance)
        with self._making.setdefault(gpu.address, threading.Lock()):
            try:
                self._sysfs.set_vgpu_type(vf, number)
            except OSError as error:
                raise self._refused(slot, instance, str(error)) from error
            made = nvidia_vfs.current(self._sysfs, vf)
            if made != number:
                raise self._refused(
                    slot,
                    instance,
                    f'that its type is {made} after {number} was written',
                )
            self._place(gpu, vf)
        LOG.info(
            'Made %s a vGPU %s (type %s) for instance %s',
            vf,
            slot.profile,
            number,
            instance,
        )
        return True

    def _place(self, gpu: model.Gpu, vf: model.PciAddress) -> None:
        """Move a new vGPU where it leaves the most room, if sizes mix.

        Where that can't be done, the place stays that the driver took.
        """
        assert isinstance(gpu.address, model.PciAddress)
        card = self._smi.card(gpu.address)
        if card is None or not card.mixes:
            return
        vfs = nvidia_vfs.read(self._sysfs, gpu)
        mine = [each for each in vfs if each.address == vf]
        others = [v.made for v in vfs if v.current and v.address != vf]
        move = mine and nvidia_places.move(card, mine[0].made, others)
        if not move or not nvidia_vfs.can_place(self._sysfs, mine):
            return
        try:
            self._sysfs.set_vgpu_place(vf, move.gpu_instance, move.placement)
        except OSError as error:
            LOG.info('%s stays where the driver put it: %s', vf, error)

    def _is_made(
        self, gpu: model.Gpu, slot: model.Slot, instance: str, current: int
    ) -> bool:
        """Tell whether the VF is what it is claimed as.

        What it is may have no name: since nova-compute started, no list had
        it, and NVIDIA's command did not answer.

        :raises PrepareFailed: when it is something else
        """
        made = {vgpu.device: vgpu.profile for vgpu in gpu.vgpus}
        profile = made.get(str(slot.device), 'vGPU of this moment')
        if profile not in (slot.profile, None):
            raise self._refused(
                slot,
                instance,
                f'that it is a {profile} (type {current}), and NVIDIA '
                'refuses one type over another',
            )
        return profile is not None

    def _number(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> int:
        """Find the number of the slot's profile among what can be made."""
        vf = _vf(slot)
        creatable = nvidia_vfs.creatable(self._sysfs, vf)
        for number, name in sorted(creatable.items()):
            if nvidia_vfs.slug(name) == slot.profile:
                return number
        raise self._refused(
            slot,
            instance,
            'that it can become '
            + (', '.join(sorted(creatable.values())) or 'nothing')
            + ' now',
            lost_modes.needs(gpu.address, slot.profile or ''),
        )

    def _refused(
        self,
        slot: model.Slot,
        instance: str,
        found: str,
        remedy: str | None = None,
    ) -> exception.PrepareFailed:
        remedy = (
            remedy
            or "compare `nova-gpuvirt discover` with the card's GPU "
            "instances, and look for NVRM's reason in the kernel log"
        )
        if missing := self._missing_daemon():
            remedy = f'{missing}; {remedy}'
        return exception.PrepareFailed(
            str(slot.device),
            wanted=f'a vGPU {slot.profile} for instance {instance}',
            found=found,
            remedy=remedy,
        )

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[guest_device.Pci, ...]:
        """Describe the VF, which stays with NVIDIA's driver."""
        vf = _vf(slot)
        bars = pci_function.bars(self._sysfs, vf)
        return (guest_device.Pci(vf, managed=False, bars=bars),)

    def release(self, slot: model.Slot, instance: str) -> None:
        """Take the VF's vGPU away, if it has one."""
        self._clear(_vf(slot), ours=True)

    def leftovers(
        self, gpu: model.Gpu, claimed: Collection[model.Slot]
    ) -> tuple[base.Leftover, ...]:
        """Find the vGPUs on VFs that nobody claims and nothing holds.

        Nothing tells who made one: on a card that is not offered it is
        somebody else's.
        """
        share = gpu.share(self.kind)
        if share is None or not share.offered:
            return ()
        return tuple(
            leftover
            for leftover in super().leftovers(gpu, claimed)
            if leftover.slot.device not in share.excluded
            and self._opener(_vf(leftover.slot)) is None
        )

    def discard(self, leftover: base.Leftover) -> None:
        """Take the VF's vGPU away."""
        self._clear(_vf(leftover.slot))

    def _clear(self, vf: model.PciAddress, *, ours: bool = False) -> None:
        if not nvidia_vfs.exists(self._sysfs, vf):
            return
        current = nvidia_vfs.current(self._sysfs, vf)
        if not current:
            return
        opener = self._opener(vf, ours=ours)
        if opener is not None:
            raise _kept(
                vf, f'that {opener} has it', 'it is taken away when that ends'
            )
        try:
            self._sysfs.set_vgpu_type(vf, 0)
        except OSError as error:
            # EPERM for one: the driver has taken it away itself meanwhile.
            if not nvidia_vfs.current(self._sysfs, vf):
                return
            raise _kept(vf, str(error), 'it is tried again') from error
        left = nvidia_vfs.current(self._sysfs, vf)
        if left:
            raise _kept(
                vf,
                f'that its type is {left} after 0 was written',
                "look for NVRM's reason in the kernel log",
            )
        LOG.info('Took the vGPU of type %s from %s', current, vf)

    def _opener(
        self, vf: model.PciAddress, *, ours: bool = False
    ) -> str | None:
        try:
            return self._machine.opener(vf, ours=ours)
        except OSError as error:
            raise _kept(
                vf,
                f'no answer who has it: {error}',
                'it is tried again',
            ) from error


def _vf(slot: model.Slot) -> model.PciAddress:
    if not isinstance(slot.device, model.PciAddress):
        raise ValueError(f'{slot} is no virtual function')
    return slot.device


def _without_vfs(gpu: model.Gpu) -> model.Gpu:
    """Say why a card has no vGPUs, where NVIDIA's driver could make some."""
    function = gpu.function
    could = (
        function is not None
        and function.driver == 'nvidia'
        and function.sriov_totalvfs
        and not gpu.shares
    )
    if not could:
        return gpu
    assert function is not None
    refusal = (
        f'its VFs are not enabled: {lost_modes.enable_vfs(function.address)}'
        if not function.virtfns
        else 'its VFs show no vGPU types: see that the vGPU host driver is '
        f'installed and {_DAEMON} runs'
    )
    share = model.Share(
        VendorVfio.kind, size_rules.ONE_AT_A_TIME, refusal=refusal
    )
    return dataclasses.replace(gpu, shares=(*gpu.shares, share))


def _kept(
    vf: model.PciAddress, found: str, remedy: str
) -> exception.ReleaseFailed:
    return exception.ReleaseFailed(
        str(vf),
        wanted='to take its vGPU away',
        found=found,
        remedy=remedy,
    )
