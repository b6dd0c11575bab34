"""vGPUs as mediated devices of the card itself.

What the driver offers stands in the card's ``mdev_supported_types`` (kernel
Documentation/ABI/testing/sysfs-bus-vfio-mdev). An mdev is made when a guest
is built, and removed when the guest is gone.
"""

from __future__ import annotations

import dataclasses
import logging
import uuid
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import profiles as profiles_
from nova_gpuvirt import sysfs as sysfs_
from nova_gpuvirt import vgpu
from nova_gpuvirt.backends import base

LOG = logging.getLogger(__name__)


class Mdev(base.Backend):
    """Make the mdevs of a card through libvirt's node devices."""

    kind = model.Kind.MDEV

    @staticmethod
    def discover(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> model.Gpu:
        """Add the profiles that the card's driver has, and its vGPUs."""
        type_ids = sysfs.mdev_types(gpu.address)
        if not type_ids:
            return gpu
        vgpus, read = _read(sysfs, gpu.address, type_ids)
        profiles: dict[str, model.Profile] = {}
        for profile in read:
            profiles.setdefault(profile.slug, profile)
        ordered = tuple(profiles[slug] for slug in sorted(profiles))
        sharing = profiles_.sharing(ordered)
        return dataclasses.replace(
            gpu,
            profiles=ordered,
            vgpus=vgpus,
            sharing=sharing,
            # NVIDIA allows one vGPU of a card per guest; Nova's
            # virtual-gpu.rst asks for several from several providers.
            vgpus_per_guest=(
                1 if sharing is model.Sharing.EQUAL_SIZE else None
            ),
        )

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Create the mdev of this instance, if it is not there."""
        mdev = vgpu.uuid_of(slot, instance)
        if self._sysfs.mdev_parent(mdev) == str(gpu.address):
            return False
        profile = gpu.profile(slot.profile or '')
        if profile is None:
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'a vGPU {slot.profile} for instance {instance}',
                found='profiles '
                + (', '.join(p.slug for p in gpu.profiles) or 'none'),
                remedy="see that the card's driver and its vGPU services run",
            )
        self._hypervisor.create_mdev(gpu.address, profile.type_id, mdev)
        if self._sysfs.mdev_parent(mdev) != str(gpu.address):
            raise exception.PrepareFailed(
                str(gpu.address),
                wanted=f'the vGPU {mdev} for instance {instance}',
                found='that libvirt made it and sysfs does not show it',
                remedy="look for the driver's reason in the kernel log",
            )
        LOG.info(
            'Created vGPU %s (%s) on %s for instance %s',
            mdev,
            profile.name,
            gpu.address,
            instance,
        )
        return True

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[model.GuestMdev, ...]:
        """Describe the mdev."""
        return (model.GuestMdev(vgpu.uuid_of(slot, instance)),)

    def release(self, slot: model.Slot, instance: str) -> None:
        """Remove the mdev of this instance, if it is there."""
        self._remove(vgpu.uuid_of(slot, instance))

    def leftovers(
        self, gpu: model.Gpu, claimed: Collection[model.Slot]
    ) -> tuple[base.Leftover, ...]:
        """Find the mdevs that stand for a slot which nobody claims."""
        slugs = {p.type_id: p.slug for p in gpu.profiles}
        found = (
            (v.uuid, vgpu.slot_of(v.uuid, self.kind, gpu.address, slug))
            for v in gpu.vgpus
            if (slug := slugs.get(v.type_id)) is not None
        )
        return tuple(
            base.Leftover(str(mdev), slot)
            for mdev, slot in found
            if slot is not None and slot not in claimed
        )

    def discard(self, leftover: base.Leftover) -> None:
        """Remove the mdev."""
        self._remove(uuid.UUID(leftover.device))

    def _remove(self, mdev: uuid.UUID) -> None:
        parent = self._sysfs.mdev_parent(mdev)
        if parent is None:
            return
        holder = self._hypervisor.holder(mdev)
        if holder is not None:
            raise exception.ReleaseFailed(
                parent,
                wanted=f'to remove the vGPU {mdev}',
                found=f'that the running guest {holder} has it',
                remedy='it is removed when that guest is gone',
            )
        self._hypervisor.remove_mdev(parent, mdev)
        LOG.info('Removed vGPU %s of %s', mdev, parent)


def _read(
    sysfs: sysfs_.Sysfs,
    address: model.PciAddress,
    type_ids: Collection[str],
) -> tuple[tuple[model.Vgpu, ...], tuple[model.Profile, ...]]:
    """Read the vGPUs and what room there is beside them, at one moment.

    Builds and releases go on in other threads: what was read is taken when
    the same vGPUs were there before and after.
    """
    before = None
    vgpus = _vgpus(sysfs, address, type_ids)
    while vgpus != before:
        before = vgpus
        profiles = tuple(
            profiles_.parse(
                type_id,
                sysfs.mdev_type(address, type_id, 'name'),
                sysfs.mdev_type(address, type_id, 'description'),
                sysfs.mdev_available(address, type_id),
            )
            for type_id in type_ids
        )
        vgpus = _vgpus(sysfs, address, type_ids)
    return vgpus, profiles


def _vgpus(
    sysfs: sysfs_.Sysfs,
    address: model.PciAddress,
    type_ids: Collection[str],
) -> tuple[model.Vgpu, ...]:
    return tuple(
        model.Vgpu(mdev, type_id)
        for type_id in type_ids
        for mdev in sysfs.mdevs(address, type_id)
    )
