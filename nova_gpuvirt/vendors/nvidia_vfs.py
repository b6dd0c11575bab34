"""What NVIDIA's driver says of its virtual functions, and what room is left.

``nvidia/creatable_vgpu_types`` has a line for each type. The driver's own
source prints ``1148  : NVIDIA L40S-2Q`` below a header, NVIDIA's Virtual GPU
Software User Guide (17.x, 2.10.3.3) ``NVIDIA A40-1Q 557`` without one.
``current_vgpu_type`` is a decimal number.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.host import numerals
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_rules
from nova_gpuvirt.vendors import nvidia_smi

_CREATABLE = 'nvidia/creatable_vgpu_types'
_CURRENT = 'nvidia/current_vgpu_type'
INSTANCE = 'nvidia/gpu_instance_id'
_PLACEMENT = 'nvidia/placement_id'

_HEADER = re.compile(r'\s*ID\s*:', re.I)

slug = profiles.nvidia_slug


@dataclasses.dataclass(frozen=True, slots=True)
class Vf:
    """A virtual function.

    :ivar current: the number of the type that it is, 0 for none, None where
        that can't be told
    :ivar creatable: the types that it could become now, by number
    :ivar gpu_instance: of MIG, where its vGPU lives in one
    :ivar refusal: why it can't become one, None where it can
    :ivar placement: where its vGPU lies, where sizes mix
    """

    address: model.PciAddress
    current: int | None
    creatable: Mapping[int, str]
    gpu_instance: int | None
    refusal: str | None = None
    placement: int | None = None

    @property
    def made(self) -> nvidia_places.Made:
        """The vGPU that it is."""
        return nvidia_places.Made(
            self.current, self.gpu_instance, self.placement
        )


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


def can_place(sysfs: sysfs_.Sysfs, vfs: Sequence[Vf]) -> bool:
    """Tell whether the driver lets others choose where vGPUs lie.

    It does since R570: kernel_vgpu_mgr.c of open-gpu-kernel-modules.
    """
    return all(sysfs.can_be_written(vf.address, _PLACEMENT) for vf in vfs)


def creatable(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> dict[int, str]:
    """Read the names of the types that a VF could become now, by number.

    :raises SysfsError: when the file can't be read, or has lines and none
        that names a type
    """
    text = sysfs.read(vf, _CREATABLE)
    types = parse_creatable(text)
    lines = [
        t for t in text.splitlines() if t.strip() and not _HEADER.match(t)
    ]
    if lines and not types:
        raise exception.SysfsError(
            str(vf),
            wanted=f'types as "NVIDIA A40-1Q 557" in {_CREATABLE}',
            found=repr(lines[0][:80]),
            remedy='report this form, with the version of its driver',
        )
    return types


def parse_creatable(text: str) -> dict[int, str]:
    """Read the names of types by their numbers, in either form.

    With a colon the number stands before it, else it is the last word. 0 is
    no type: to write it takes a vGPU away.
    """
    types = {}
    for line in text.splitlines():
        before, colon, after = line.partition(':')
        if not colon:
            *words, before = line.split() or ['']
            after = ' '.join(words)
        number, name = numerals.decimal(before.strip()), after.strip()
        if number and name:
            types[number] = name
    return types


def _read(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> Vf:
    number = None
    try:
        number = current(sysfs, vf)
        if not number:
            return Vf(vf, 0, creatable(sysfs, vf), None)
    except exception.SysfsError as error:
        return Vf(vf, number, {}, None, str(error))
    return Vf(
        vf,
        number,
        {},
        _number_if_any(sysfs, vf, INSTANCE),
        placement=_number_if_any(sysfs, vf, _PLACEMENT),
    )


def _number_if_any(
    sysfs: sysfs_.Sysfs, vf: model.PciAddress, name: str
) -> int | None:
    """Read a number, None for ``Not Applicable`` and without the file."""
    try:
        text = sysfs.read_if_there(vf, name) or ''
    except exception.SysfsError:  # ENXIO once its vGPU is gone
        return None
    return numerals.decimal(text)


def share(
    kind: str,
    vfs: Sequence[Vf],
    names: Mapping[int, str],
    card: nvidia_smi.Card | None,
    *,
    chosen: bool = True,
) -> model.Share:
    """Tell what can be had of a card's VFs.

    :param names: every type that was seen in a list of this card, by number
    :param card: what NVIDIA's command says; without it the names tell how
        large a vGPU is, and the lists whether one more fits
    :param chosen: whether we choose where vGPUs lie, if sizes mix
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
        number: _profile(number, name, vfs, card)
        for number, name in names.items()
    }
    made = [vf.made for vf in vfs if vf.current != 0]
    rule, room = nvidia_rules.rule(known, made, card, len(vfs), chosen=chosen)
    found = (
        dataclasses.replace(
            p, available=min(len(p.places or ()), room.get(number, 1))
        )
        for number, p in known.items()
    )
    return model.Share(
        kind,
        rule,
        profiles=tuple(sorted(found, key=lambda p: p.slug)),
        vgpus=tuple(_vgpu(kind, vf, names) for vf in vfs if vf.current),
        withheld={vf.address: vf.refusal for vf in vfs if vf.refusal},
        doubt=nvidia_rules.doubt(known, made, card),
        refusal=None
        if any(vf.current or vf.creatable or vf.refusal for vf in vfs)
        else 'none of its VFs can become a vGPU: in MIG mode it needs GPU '
        'instances (nvidia-smi mig -cgi)',
    )


def _profile(
    number: int,
    name: str,
    vfs: Sequence[Vf],
    card: nvidia_smi.Card | None,
) -> model.Profile:
    places = tuple(vf.address for vf in vfs if number in vf.creatable)
    profile = profiles.nvidia(name, str(number), 0)
    return nvidia_rules.described(
        dataclasses.replace(profile, places=places), number, card
    )


def _vgpu(kind: str, vf: Vf, names: Mapping[int, str]) -> model.Vgpu:
    name = names.get(vf.current or 0)
    profile = slug(name) if name else None
    word = profile or f'nvidia-type-{vf.current}'
    return model.Vgpu(
        str(vf.address), profile, model.Slot(kind, vf.address, profile=word)
    )
