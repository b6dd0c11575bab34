"""vGPUs as mediated devices, of a card itself or of its virtual functions.

What the driver offers stands in ``mdev_supported_types`` (kernel
Documentation/ABI/testing/sysfs-bus-vfio-mdev) of the card, or, on NVIDIA's
Ampere and newer, of each of its VFs, which holds one vGPU at most. An mdev
is made when a guest is built, and removed when the guest is gone.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.cards import profiles as profiles_
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.vendors import nvidia_mdevs
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_smi

LOG = logging.getLogger(__name__)

_TYPES = 'mdev_supported_types'
_Types = Mapping[str, tuple[str | None, str | None]]


class Mdev(base.Backend):
    """Make mdevs through libvirt's node devices."""

    kind = 'mdev'

    def __init__(self, machine: machine_.Machine) -> None:
        super().__init__(machine)
        # The texts of a card's types, which change with its driver alone, and
        # its mdevs: none ever becomes another.
        self._texts: dict[model.Device, _Types] = {}
        self._mdevs: dict[model.Device, Mapping[str, model.Vgpu]] = {}
        # What was read to refresh a card, for who looks at it next.
        self._just_read: dict[model.Device, _Room] = {}
        # What NVIDIA's command says of the cards that make mdevs.
        self._smi = nvidia_smi.NvidiaSmi(
            machine.ask, machine.gpu_instances, sysfs_suffices=True
        )
        # Of two vGPUs of a card that are made at once where sizes mix, the
        # second sees where the first lies. A driver may take a minute to
        # answer for one card.
        self._making: dict[model.Device, threading.Lock] = {}

    def refresh(self, gpu: model.Gpu) -> None:
        """Read what is known of the card anew when it is looked at.

        NVIDIA's command is asked where the card has changed since.
        """
        self._texts.pop(gpu.address, None)
        self._mdevs.pop(gpu.address, None)
        parents = _parents(self._sysfs, gpu)
        types = self._types(gpu, parents[0]) if parents else {}
        if nvidia_mdevs.are_nvidias(types):
            assert isinstance(gpu.address, model.PciAddress)
            room = _read(self._sysfs, parents, types)
            self._just_read[gpu.address] = room
            profiles = _profiles(types, room.available)
            can_be_made = frozenset(p.slug for p in profiles if p.available)
            self._smi.learn(gpu.address, (frozenset(types), can_be_made))

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add the profiles that the card's driver has, and its vGPUs."""
        parents = _parents(self._sysfs, gpu)
        if not parents:
            return gpu
        types = self._types(gpu, parents[0])
        before = self._just_read.pop(gpu.address, None)
        room = _read(self._sysfs, parents, types, before)
        mdevs = room.mdevs
        profiles = _profiles(types, room.available)
        vgpus = self._vgpus(gpu, mdevs, profiles)
        traits = gpu.traits
        doubt = None
        if nvidia_mdevs.are_nvidias(types):
            card = self._told(gpu)
            made = nvidia_mdevs.made(self._sysfs, mdevs, vgpus, profiles, card)
            rule, profiles, doubt = nvidia_mdevs.shared(
                profiles,
                made.values(),
                card,
                len(parents) if parents[0] != gpu.address else vgpu.MAX_INDEX,
                chosen=nvidia_mdevs.can_place(self._sysfs, mdevs),
            )
            if card is not None:
                traits |= card.traits
        else:
            rule = profiles_.rule(profiles)
        share = model.Share(
            self.kind, rule, gpu.address, profiles, vgpus, doubt=doubt
        )
        return dataclasses.replace(
            gpu, shares=(*gpu.shares, share), traits=traits
        )

    def _told(self, gpu: model.Gpu) -> nvidia_smi.Card | None:
        """Give what NVIDIA's command said of a card, if it did."""
        if not isinstance(gpu.address, model.PciAddress):
            return None
        return self._smi.card(gpu.address)

    def _types(self, gpu: model.Gpu, parent: model.PciAddress) -> _Types:
        """Find the texts of a card's types, by their ids.

        All VFs of a card have the same types.
        """
        ids = self._sysfs.names(parent, _TYPES)
        texts = self._texts.get(gpu.address)
        if texts is None or texts.keys() != set(ids):
            texts = {i: _text(self._sysfs, parent, i) for i in ids}
            self._texts[gpu.address] = texts
            self._mdevs.pop(gpu.address, None)
        return texts

    def _vgpus(
        self,
        gpu: model.Gpu,
        mdevs: Mapping[str, model.PciAddress],
        profiles: Sequence[model.Profile],
    ) -> tuple[model.Vgpu, ...]:
        """Tell what a card's mdevs are, and read those not known yet."""
        slugs = {p.type_id: p.slug for p in profiles}
        known = self._mdevs.get(gpu.address, {})
        found = {}
        for mdev, parent in sorted(mdevs.items()):
            vgpu_ = known.get(mdev)
            if vgpu_ is None:
                type_id = self._sysfs.mdevs.type_id(parent, mdev)
                if type_id is None:
                    continue  # it went away
                vgpu_ = _vgpu(gpu.address, mdev, slugs.get(type_id))
            found[mdev] = vgpu_
        self._mdevs[gpu.address] = found
        return tuple(found.values())

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Create the mdev of this instance, if it is not there."""
        mdev = vgpu.uuid_of(slot, instance)
        parents = _parents(self._sysfs, gpu)
        if self._sysfs.mdevs.parent(mdev) in [str(p) for p in parents]:
            return False
        share = gpu.share(self.kind)
        profile = share.profile(slot.profile) if share else None
        if profile is None:
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'a vGPU {slot.profile} for instance {instance}',
                found='profiles '
                + (', '.join(p.slug for p in gpu.profiles) or 'none'),
                remedy=lost_modes.needs(gpu.address, slot.profile or '')
                if gpu.is_nvidia and parents
                else "see that the card's driver and its vGPU services run",
            )
        card = self._told(gpu)
        if card is not None and card.mixes:
            with self._making.setdefault(gpu.address, threading.Lock()):
                parent = self._create(gpu, parents, profile, mdev)
                self._place(gpu, mdev, card)
        else:
            parent = self._create(gpu, parents, profile, mdev)
        if self._sysfs.mdevs.parent(mdev) != str(parent):
            raise exception.PrepareFailed(
                str(parent),
                wanted=f'the vGPU {mdev} for instance {instance}',
                found='that libvirt made it and sysfs does not show it',
                remedy="look for the driver's reason in the kernel log",
            )
        LOG.info(
            'Created vGPU %s (%s) on %s for instance %s',
            mdev,
            profile.name,
            parent,
            instance,
        )
        return True

    def _place(
        self, gpu: model.Gpu, mdev: uuid.UUID, card: nvidia_smi.Card
    ) -> None:
        """Move a new vGPU where it leaves the most room.

        Where that can't be done, the place stays that the driver took.
        """
        parents = _parents(self._sysfs, gpu)
        try:
            types = self._types(gpu, parents[0])
            room = _read(self._sysfs, parents, types)
            mdevs = room.mdevs
            profiles = _profiles(types, room.available)
            vgpus = self._vgpus(gpu, mdevs, profiles)
            made = nvidia_mdevs.made(self._sysfs, mdevs, vgpus, profiles, card)
            mine = made.pop(str(mdev), None)
            move = mine and nvidia_places.move(card, mine, made.values())
            own = {name: p for name, p in mdevs.items() if name == str(mdev)}
            if move and nvidia_mdevs.can_place(self._sysfs, own):
                self._sysfs.set_vgpu_place(
                    mdev, move.gpu_instance, move.placement
                )
        except (exception.SysfsError, OSError) as error:
            LOG.info('%s stays where the driver put it: %s', mdev, error)

    def _create(
        self,
        gpu: model.Gpu,
        parents: Sequence[model.PciAddress],
        profile: model.Profile,
        mdev: uuid.UUID,
    ) -> model.PciAddress:
        """Create an mdev on the first parent that has room for it.

        Two builds may choose the same VF at once: the second goes on to the
        next one.
        """
        name = f'{_TYPES}/{profile.type_id}/available_instances'
        free = [p for p in parents if self._sysfs.number(p, name)]
        refusals = []
        for parent in free or parents[:1]:
            try:
                self._machine.hypervisor.create_mdev(
                    parent, profile.type_id, mdev
                )
            except exception.PrepareFailed as error:
                refusals.append(error)
                if self._sysfs.number(parent, name):
                    break  # it has room, and refuses for another reason
            else:
                return parent
        refusal = refusals[-1]
        if free or not gpu.is_nvidia:
            raise refusal
        raise exception.PrepareFailed(
            refusal.device,
            wanted=refusal.wanted,
            found=refusal.found,
            remedy=lost_modes.needs(gpu.address, profile.slug),
        ) from refusal

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[guest_device.Mdev, ...]:
        """Describe the mdev."""
        profile = gpu.profile(slot.profile or '')
        return (
            guest_device.Mdev(
                vgpu.uuid_of(slot, instance),
                profile.display if profile else None,
                gpu.render_node,
            ),
        )

    def release(self, slot: model.Slot, instance: str) -> None:
        """Remove the mdev of this instance, if it is there."""
        self._remove(vgpu.uuid_of(slot, instance))

    def discard(self, leftover: base.Leftover) -> None:
        """Remove the mdev."""
        self._remove(uuid.UUID(leftover.device))

    def _remove(self, mdev: uuid.UUID) -> None:
        parent = self._sysfs.mdevs.parent(mdev)
        if parent is None:
            return
        opener = self._machine.hypervisor.guest_with(mdev)
        if opener is not None:
            raise exception.ReleaseFailed(
                parent,
                wanted=f'to remove the vGPU {mdev}',
                found=f'that the running guest {opener} has it',
                remedy='it is removed when that guest is gone',
            )
        try:
            self._machine.hypervisor.remove_mdev(parent, mdev)
        except exception.ReleaseFailed:
            # The driver may have removed it itself meanwhile.
            if self._sysfs.mdevs.parent(mdev) is not None:
                raise
        LOG.info('Removed vGPU %s of %s', mdev, parent)


def _parents(
    sysfs: sysfs_.Sysfs, gpu: model.Gpu
) -> tuple[model.PciAddress, ...]:
    """List the functions that make mdevs: the card, or its VFs."""
    if gpu.function is None:
        return ()
    functions = (gpu.function.address, *gpu.function.virtfns)
    return tuple(f for f in functions if sysfs.names(f, _TYPES))


def _vgpu(card: model.Device, mdev: str, profile: str | None) -> model.Vgpu:
    slot = profile and vgpu.slot_of(uuid.UUID(mdev), Mdev.kind, card, profile)
    return model.Vgpu(mdev, profile, slot or None)


@dataclasses.dataclass(frozen=True, slots=True)
class _Room:
    """The mdevs of a card, with their parents, and what more it has room for.

    :ivar available: of each type, on all of its parents together
    """

    mdevs: Mapping[str, model.PciAddress]
    available: Mapping[str, int]


def _read(
    sysfs: sysfs_.Sysfs,
    parents: Sequence[model.PciAddress],
    types: _Types,
    room: _Room | None = None,
) -> _Room:
    """Read the mdevs, their parents, and what room is left, at one moment.

    Builds and releases go on in other threads: what was read is taken when
    the same mdevs were there before and after.

    :param room: what was read a moment ago, which is taken likewise
    """
    mdevs = {m: p for p in parents for m in sysfs.mdevs.of(p)}
    while (
        room is None
        or room.mdevs != mdevs
        or room.available.keys() != types.keys()
    ):
        available = dict.fromkeys(types, 0)
        for parent in parents:
            for type_id in types:
                available[type_id] += sysfs.number(
                    parent, f'{_TYPES}/{type_id}/available_instances'
                )
        room = _Room(mdevs, available)
        mdevs = {m: p for p in parents for m in sysfs.mdevs.of(p)}
    return room


def _profiles(
    types: _Types, available: Mapping[str, int]
) -> tuple[model.Profile, ...]:
    """Describe the types of a card, with what room each has."""
    profiles: dict[str, model.Profile] = {}
    for type_id, (name, text) in types.items():
        profile = profiles_.parse(type_id, name, text, available[type_id])
        profiles.setdefault(profile.slug, profile)
    return tuple(profiles[slug] for slug in sorted(profiles))


def _text(
    sysfs: sysfs_.Sysfs, parent: model.PciAddress, type_id: str
) -> tuple[str | None, str | None]:
    """Read the name and the description of a type."""
    return (
        sysfs.read_if_there(parent, f'{_TYPES}/{type_id}/name'),
        sysfs.read_if_there(parent, f'{_TYPES}/{type_id}/description'),
    )
