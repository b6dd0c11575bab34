"""NVIDIA's vGPUs that are mdevs: what sysfs and the command say of them.

The types are called ``nvidia-474``, by the number that the command prints in
hexadecimal. Since R570 an mdev has ``nvidia/gpu_instance_id`` and
``nvidia/placement_id``, which can be written until its guest starts (seen by
a user of an RTX PRO 6000; kernel_vgpu_mgr.c of open-gpu-kernel-modules).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_rules
from nova_gpuvirt.vendors import nvidia_smi

_TYPE = re.compile(r'nvidia-(\d+)')
_INSTANCE = 'nvidia/gpu_instance_id'
_PLACEMENT = 'nvidia/placement_id'


def number(type_id: str) -> int | None:
    """Read the number of a type, None for one that is not NVIDIA's."""
    match = _TYPE.fullmatch(type_id)
    return int(match[1]) if match else None


def are_nvidias(type_ids: Iterable[str]) -> bool:
    """Tell whether there are types of NVIDIA's among these."""
    return any(number(type_id) is not None for type_id in type_ids)


def made(
    sysfs: sysfs_.Sysfs,
    mdevs: Mapping[str, model.PciAddress],
    vgpus: Collection[model.Vgpu],
    profiles: Collection[model.Profile],
    card: nvidia_smi.Card | None,
) -> dict[str, nvidia_places.Made]:
    """Read what a card's mdevs are, by their UUIDs.

    Where they lie is read where it counts.

    :param mdevs: their parents
    :param card: what NVIDIA's command says of it
    """
    numbers = {p.slug: number(p.type_id) for p in profiles}
    names = (_INSTANCE, _PLACEMENT)
    counts = card is not None and (card.mixes or card.gpu_instances)
    return {
        vgpu.device: nvidia_places.Made(
            numbers.get(vgpu.profile or ''),
            *(
                sysfs.mdevs.number(mdevs[vgpu.device], vgpu.device, name)
                for name in (names if counts else ())
            ),
        )
        for vgpu in vgpus
    }


def can_place(
    sysfs: sysfs_.Sysfs, mdevs: Mapping[str, model.PciAddress]
) -> bool | None:
    """Tell whether the driver lets others choose where these lie.

    :returns: None where there is none that could tell
    """
    if not mdevs:
        return None
    return all(
        sysfs.mdevs.can_be_written(parent, mdev, _PLACEMENT)
        for mdev, parent in mdevs.items()
    )


def shared(
    profiles: Sequence[model.Profile],
    made: Collection[nvidia_places.Made],
    card: nvidia_smi.Card | None,
    vfs: int,
    *,
    chosen: bool | None,
) -> tuple[model.Rule, tuple[model.Profile, ...], str | None]:
    """Tell how mdevs share a card, what it has room for, and any doubt.

    Each VF says that it would make one, whatever there is room for. The
    card's own limit stands in the type's description, and in MIG mode the
    command alone knows it.

    :param card: what NVIDIA's command says of it
    :param vfs: how many mdevs it has VFs for
    """
    known = {
        n: nvidia_rules.described(p, n, card)
        for p in profiles
        if (n := number(p.type_id)) is not None
    }
    rule, room = nvidia_rules.rule(known, [*made], card, vfs, chosen=chosen)
    counted = tuple(
        profile
        if isinstance(rule, size_rules.EqualSize)
        and profile.max_instances is None
        else dataclasses.replace(
            profile, available=min(profile.available, room.get(n, 1))
        )
        for n, profile in known.items()
    )
    return rule, counted, nvidia_rules.doubt(known, [*made], card)
