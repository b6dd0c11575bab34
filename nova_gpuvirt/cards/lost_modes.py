"""What a card of NVIDIA's has to be for its claims, and is no more. Pure.

With a reboot of the host, and with a reload of the driver, VFs are gone and so
is the mode of mixed sizes; on Hopper and newer MIG mode is too, and everywhere
its GPU instances (NVIDIA's MIG user guide, and its vGPU guide, 2.10.2 and
2.11). A server that has claimed a vGPU of such a mode can't start until
somebody restores it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.model import trait_names


@dataclasses.dataclass(frozen=True, slots=True)
class _Claimed:
    """A claim on a vGPU that is not made, and what its name tells."""

    text: str
    slot: model.Slot
    wanted: model.Profile


def of(gpu: model.Gpu, claims: Collection[model.Claim]) -> str | None:
    """Tell which claims on a card wait for a mode, and what restores it.

    None where the card can give what is claimed, and where no mode that is
    known would help: then the driver's own reason stands.

    :param claims: every claim on this card
    """
    if not gpu.is_nvidia:
        return None
    claimed = _claimed(gpu, claims)
    beside = [
        *(c.wanted for c in claimed),
        *(profiles.named(vgpu.profile) for vgpu in gpu.vgpus if vgpu.profile),
    ]
    waiting = [c for c in claimed if not _can_be(gpu, c.slot)]
    if not waiting and any(s.rule.clash(beside) for s in gpu.shares):
        waiting = claimed
    found = _remedy(gpu, waiting, beside) if waiting else None
    if found is None:
        return None
    mode, command = found
    more = f' and {len(waiting) - 1} more' if len(waiting) > 1 else ''
    return (
        f'{waiting[0].text}{more} can not be had without {mode}, which a '
        f'reboot or a reload of the driver ends: {command}'
    )


def needs(address: model.Device, profile: str) -> str:
    """Tell what restores the mode that a vGPU of a profile lives in.

    :param profile: its slug
    """
    if profiles.gpu_instance(profile) is not None:
        return _mig(address)
    return (
        f'see that MIG mode is off (nvidia-smi -i {address} -mig 0), and for '
        f'several sizes on one card nvidia-smi vgpu -i {address} -shm 1'
    )


def _claimed(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> list[_Claimed]:
    """List the claims on vGPUs that are not made."""
    made = {v.slot.place for v in gpu.vgpus if v.slot is not None}
    return [
        _Claimed(claim.identifier, slot, profiles.named(slot.profile))
        for claim in sorted(claims, key=lambda c: c.identifier)
        if (slot := claim.slot) is not None
        and slot.profile is not None
        and slot.place not in made
    ]


def _can_be(gpu: model.Gpu, slot: model.Slot) -> bool:
    """Tell whether a card would make a vGPU now."""
    if not gpu.holds(slot.device):
        return False
    share = gpu.share(slot.kind)
    profile = share.profile(slot.profile) if share else None
    if profile is None:
        return False
    return bool(
        profile.available if profile.places is None else profile.places
    )


def enable_vfs(address: model.Device) -> str:
    """Tell how a card gets its VFs."""
    return (
        f'run /usr/lib/nvidia/sriov-manage -e {address}, and see that '
        'sriov_numvfs is not 0 then: it may end well without any VF'
    )


def _remedy(
    gpu: model.Gpu,
    waiting: Sequence[_Claimed],
    beside: Sequence[model.Profile],
) -> tuple[str, str] | None:
    """Name the mode that is lost, and the command.

    :param beside: all that is claimed or made of the card
    """
    assert gpu.function is not None
    address = gpu.address
    # Some have the capability of SR-IOV, and make vGPUs without VFs.
    makes_some = any(share.profiles for share in gpu.shares)
    if not (gpu.virtfns or makes_some) and gpu.function.sriov_totalvfs:
        return 'VFs', enable_vfs(address)
    if any(trait_names.MIG_BACKED in c.wanted.traits for c in waiting):
        return 'MIG mode and its GPU instances', _mig(address)
    present = [
        p
        for share in gpu.shares
        for p in share.profiles
        if p.available or p.places
    ]
    if any(trait_names.MIG_BACKED in p.traits for p in present):
        return 'MIG mode off', f'nvidia-smi -i {address} -mig 0'
    if len({p.framebuffer_mib for p in beside}) > 1:
        return 'mixed sizes', (
            f'nvidia-smi vgpu -i {address} -shm 1, while none of its vGPUs '
            'exists'
        )
    return None


def _mig(address: model.Device) -> str:
    return (
        f'nvidia-smi -i {address} -mig 1, then /usr/lib/nvidia/sriov-manage '
        f'-e {address}, then nvidia-smi mig -i {address} -cgi ID,… -C with '
        'the GPU Instance Profile ID of each vGPU (nvidia-smi vgpu -s -v)'
    )
