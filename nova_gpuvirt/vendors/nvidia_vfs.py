"""What NVIDIA's driver says of its virtual functions, and what room is left.

The formats are those of the driver's own source: a line for each type in
``nvidia/creatable_vgpu_types``, a decimal number in ``current_vgpu_type``.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.vendors import nvidia_smi

_CREATABLE = 'nvidia/creatable_vgpu_types'
_CURRENT = 'nvidia/current_vgpu_type'
_INSTANCE = 'nvidia/gpu_instance_id'

slug = profiles.nvidia_slug


@dataclasses.dataclass(frozen=True, slots=True)
class Vf:
    """A virtual function.

    :ivar current: the number of the type that it is, 0 for none, None where
        that can't be told
    :ivar creatable: the types that it could become now, by number
    :ivar gpu_instance: of MIG, where its vGPU lives in one
    :ivar refusal: why it can't become one, None where it can
    """

    address: model.PciAddress
    current: int | None
    creatable: Mapping[int, str]
    gpu_instance: int | None
    refusal: str | None = None


def read(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> tuple[Vf, ...]:
    """Read the VFs of a card that NVIDIA's driver makes vGPUs of.

    One that can't be read is refused, and the others are not.
    """
    return tuple(_read(sysfs, vf) for vf in gpu.virtfns if exists(sysfs, vf))


def exists(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> bool:
    """Tell whether a function is there, and can be a vGPU."""
    return sysfs.has(vf, _CURRENT)


def current(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> int:
    """Read the number of the type that a VF is, 0 for none.

    :raises SysfsError: when the file can't be read
    """
    return sysfs.number(vf, _CURRENT)


def creatable(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> dict[int, str]:
    """Read the names of the types that a VF could become now, by number.

    :raises SysfsError: when the file can't be read
    """
    return parse_creatable(sysfs.read(vf, _CREATABLE))


def parse_creatable(text: str) -> dict[int, str]:
    """Read ``1148  : NVIDIA L40S-2Q`` lines, with or without the header."""
    types = {}
    for line in text.splitlines():
        number, _, name = line.partition(':')
        if number.strip().isdecimal() and name.strip():
            types[int(number)] = name.strip()
    return types


def _read(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> Vf:
    number = None
    try:
        number = current(sysfs, vf)
        if not number:
            return Vf(vf, 0, creatable(sysfs, vf), None)
    except exception.SysfsError as error:
        return Vf(vf, number, {}, None, str(error))
    try:
        instance = sysfs.read_if_there(vf, _INSTANCE) or ''
    except exception.SysfsError:  # ENXIO once its vGPU is gone
        instance = ''
    return Vf(vf, number, {}, int(instance) if instance.isdecimal() else None)


def share(
    kind: str,
    vfs: Sequence[Vf],
    names: Mapping[int, str],
    card: nvidia_smi.Card | None,
) -> model.Share:
    """Tell what can be had of a card's VFs.

    :param names: every type that was seen in a list of this card, by number
    :param card: what NVIDIA's command says; without it the names tell how
        large a vGPU is, and the lists whether one more fits
    """
    types = card.types if card else {}
    names = {
        **{
            vf.current: types[vf.current].name
            for vf in vfs
            if vf.current is not None and vf.current in types
        },
        **names,
    }
    known = {
        number: _profile(number, name, vfs, types.get(number))
        for number, name in names.items()
    }
    rule, room = _rule(known, vfs, card)
    found = (
        dataclasses.replace(
            p, available=min(len(p.places or ()), room.get(number, 1))
        )
        for number, p in known.items()
    )
    limits = [t.per_vm for t in types.values() if t.per_vm]
    return model.Share(
        kind,
        rule,
        profiles=tuple(sorted(found, key=lambda p: p.slug)),
        vgpus=tuple(_vgpu(kind, vf, names) for vf in vfs if vf.current),
        per_guest=min(limits, default=1),
        withheld={vf.address: vf.refusal for vf in vfs if vf.refusal},
        refusal=None
        if any(vf.current or vf.creatable or vf.refusal for vf in vfs)
        else 'none of its VFs can become a vGPU: in MIG mode it needs GPU '
        'instances (nvidia-smi mig -cgi)',
    )


def _profile(
    number: int,
    name: str,
    vfs: Sequence[Vf],
    told: nvidia_smi.VgpuType | None,
) -> model.Profile:
    places = tuple(vf.address for vf in vfs if number in vf.creatable)
    profile = profiles.nvidia(name, str(number), 0)
    return dataclasses.replace(
        profile,
        places=places,
        max_instances=told.max_instances if told else None,
        framebuffer_mib=(
            (told and told.framebuffer_mib) or profile.framebuffer_mib
        ),
    )


def _vgpu(kind: str, vf: Vf, names: Mapping[int, str]) -> model.Vgpu:
    name = names.get(vf.current or 0)
    profile = slug(name) if name else None
    word = profile or f'nvidia-type-{vf.current}'
    return model.Vgpu(
        str(vf.address), profile, model.Slot(kind, vf.address, profile=word)
    )


def _rule(
    known: Mapping[int, model.Profile],
    vfs: Sequence[Vf],
    card: nvidia_smi.Card | None,
) -> tuple[model.Rule, Mapping[int, int]]:
    """Tell how vGPUs share the card, and how many more of each it holds."""
    made = [known[n] for vf in vfs if (n := vf.current or 0) in known]
    named = all(vf.current in known for vf in vfs if vf.current != 0)
    if card is not None and card.gpu_instances:
        return _in_gpu_instances(known, vfs, card)
    mig = any(trait_names.MIG_BACKED in p.traits for p in known.values())
    if mig or not named or (card is None and made):
        return size_rules.ONE_AT_A_TIME, {}
    if card is not None and card.mixed_sizes:
        unused = 1 - sum(
            Fraction(1, p.max_instances) for p in made if p.max_instances
        )
        return size_rules.MixedSizes(Fraction(unused)), {
            number: int(unused * (p.max_instances or 0))
            for number, p in known.items()
        }
    largest = max((p.framebuffer_mib or 0 for p in known.values()), default=0)
    room = {}
    for number, profile in known.items():
        most = profile.max_instances
        if most is None:
            size = profile.framebuffer_mib
            most = min(largest // size, len(vfs)) if size else 1
        room[number] = max(most - len(made), 0)
    return size_rules.EQUAL_SIZE, room


def _in_gpu_instances(
    known: Mapping[int, model.Profile],
    vfs: Sequence[Vf],
    card: nvidia_smi.Card,
) -> tuple[model.Rule, Mapping[int, int]]:
    """Count the room in the GPU instances that there are."""
    on_mig = {
        number: t
        for number, t in card.types.items()
        if t.gi_profile is not None and number in known
    }
    rule = size_rules.GpuInstances(
        {known[n].slug: t.gi_profile or 0 for n, t in on_mig.items()}
    )
    room = dict.fromkeys(known, 0)
    # By GPU instance profile: GPU instances with the size of their vGPUs.
    used: dict[int, Counter[tuple[int, int | None]]] = {}
    for vf in vfs:
        told = on_mig.get(vf.current or 0)
        if told is not None and told.gi_profile is not None:
            # Without a number each may be in a GPU instance of its own.
            instance = vf.gpu_instance
            if instance is None:
                instance = -1 - vfs.index(vf)
            key = (instance, known[told.number].framebuffer_mib)
            used.setdefault(told.gi_profile, Counter())[key] += 1
    for number, told in on_mig.items():
        assert told.gi_profile is not None
        taken = used.get(told.gi_profile) or Counter()
        per = told.per_gi or 1
        empty = card.gpu_instances[told.gi_profile] - len(taken)
        size = known[number].framebuffer_mib
        beside = sum(
            max(per - count, 0)
            for (_, other), count in taken.items()
            if other == size
        )
        room[number] = max(empty, 0) * per + beside
    return rule, room
