"""vGPUs as mediated devices, of a card itself or of its virtual functions.

What the driver offers stands in ``mdev_supported_types`` (kernel
Documentation/ABI/testing/sysfs-bus-vfio-mdev) of the card, or, on NVIDIA's
Ampere and newer, of each of its VFs, which holds one vGPU at most. An mdev
is made when a guest is built, and removed when the guest is gone.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import profiles as profiles_
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.model import guest_device

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

    def refresh(self, gpu: model.Gpu) -> None:
        """Read what is known of the card anew when it is looked at."""
        self._texts.pop(gpu.address, None)
        self._mdevs.pop(gpu.address, None)

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add the profiles that the card's driver has, and its vGPUs."""
        parents = _parents(self._sysfs, gpu)
        if not parents:
            return gpu
        types = self._types(gpu, parents[0])
        mdevs, profiles = _read(self._sysfs, parents, types)
        slugs = {p.type_id: p.slug for p in profiles}
        vgpus = self._vgpus(gpu, mdevs, slugs)
        rule = profiles_.rule(profiles)
        share = model.Share(
            self.kind,
            rule,
            gpu.address,
            _capped(profiles, vgpus)
            if parents[0] != gpu.address
            else profiles,
            vgpus,
            # NVIDIA allows one vGPU of a card per guest; Nova's
            # virtual-gpu.rst asks for several from several providers.
            per_guest=1 if rule is size_rules.EQUAL_SIZE else None,
        )
        return dataclasses.replace(gpu, shares=(*gpu.shares, share))

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
        slugs: Mapping[str, str],
    ) -> tuple[model.Vgpu, ...]:
        """Tell what a card's mdevs are, and read those not known yet."""
        known = self._mdevs.get(gpu.address, {})
        found = {}
        for mdev, parent in sorted(mdevs.items()):
            vgpu_ = known.get(mdev)
            if vgpu_ is None:
                type_id = self._sysfs.mdev_type(parent, mdev)
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
        if self._sysfs.mdev_parent(mdev) in [str(p) for p in parents]:
            return False
        share = gpu.share(self.kind)
        profile = share.profile(slot.profile) if share else None
        if profile is None:
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'a vGPU {slot.profile} for instance {instance}',
                found='profiles '
                + (', '.join(p.slug for p in gpu.profiles) or 'none'),
                remedy="see that the card's driver and its vGPU services run",
            )
        parent = self._create(parents, profile, mdev)
        if self._sysfs.mdev_parent(mdev) != str(parent):
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

    def _create(
        self,
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
        raise refusals[-1]

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
        parent = self._sysfs.mdev_parent(mdev)
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
        self._machine.hypervisor.remove_mdev(parent, mdev)
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


def _capped(
    profiles: Sequence[model.Profile], vgpus: Sequence[model.Vgpu]
) -> tuple[model.Profile, ...]:
    """Cap what the VFs offer together by what the card has room for.

    Each VF says that it would make one, whatever there is room for: the
    card's own limit stands in the type's description.
    """
    count = len(vgpus)
    return tuple(
        dataclasses.replace(
            p, available=min(p.available, max(p.max_instances - count, 0))
        )
        if p.max_instances is not None
        else p
        for p in profiles
    )


def _read(
    sysfs: sysfs_.Sysfs, parents: Sequence[model.PciAddress], types: _Types
) -> tuple[dict[str, model.PciAddress], tuple[model.Profile, ...]]:
    """Read the mdevs, their parents, and what room is left, at one moment.

    Builds and releases go on in other threads: what was read is taken when
    the same mdevs were there before and after.
    """
    before = None
    mdevs = {m: p for p in parents for m in sysfs.mdevs(p)}
    while mdevs != before:
        before = mdevs
        available: Counter[str] = Counter()
        for parent in parents:
            for type_id in types:
                available[type_id] += sysfs.number(
                    parent, f'{_TYPES}/{type_id}/available_instances'
                )
        mdevs = {m: p for p in parents for m in sysfs.mdevs(p)}
    profiles: dict[str, model.Profile] = {}
    for type_id, (name, text) in types.items():
        profile = profiles_.parse(type_id, name, text, available[type_id])
        profiles.setdefault(profile.slug, profile)
    return mdevs, tuple(profiles[slug] for slug in sorted(profiles))


def _text(
    sysfs: sysfs_.Sysfs, parent: model.PciAddress, type_id: str
) -> tuple[str | None, str | None]:
    """Read the name and the description of a type."""
    return (
        sysfs.read_if_there(parent, f'{_TYPES}/{type_id}/name'),
        sysfs.read_if_there(parent, f'{_TYPES}/{type_id}/description'),
    )
