"""Which functions of a slot belong to a card, and which are strangers. Pure.

A card brings its audio (class 0403) and, with USB-C, a USB controller (0c03)
and its partner of class 0c80 (seen on NVIDIA's Turing, AMD's Navi 21). In the
slot of an APU's display are parts of the computer: its security processor and
its USB, which are of AMD's other vendor id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt import model

_DISPLAY = 0x03
_AUDIO = 0x0403
_USB_C = frozenset({0x0C03, 0x0C80})


def belongs(card: model.PciFunction, other: model.PciFunction) -> bool:
    """Tell whether another function of a card's slot is a part of the card."""
    kind = other.class_code >> 8
    if kind >> 8 == _DISPLAY or kind == _AUDIO:
        return True
    of_one_maker = other.vendor_id == card.vendor_id
    return of_one_maker and (kind in _USB_C or kind == card.class_code >> 8)


def of(
    card: model.PciFunction, others: Sequence[model.PciFunction]
) -> tuple[model.PciFunction, ...]:
    """List what goes to a guest with a card: whatever of it, in any group.

    A stranger in the card's own IOMMU group could not stay behind. Beside
    strangers nothing else goes: whose such an audio is can't be told, and who
    has the card already never had it.

    :param others: of its slot, without bridges and VFs
    """
    is_apart = why_not_apart(card, others) is None
    return tuple(
        f
        for f in others
        if f.iommu_group == card.iommu_group or (is_apart and belongs(card, f))
    )


def why_not_apart(
    card: model.PciFunction, others: Sequence[model.PciFunction]
) -> str | None:
    """Tell what else of the computer is in a card's slot, if anything."""
    strangers = [f for f in others if not belongs(card, f)]
    if not strangers:
        return None
    names = ', '.join(
        f'{f.address} (class {f.class_code >> 8:04x}'
        + (f', which {f.driver} has)' if f.driver else ')')
        for f in strangers
    )
    return f'other parts of the computer are in its slot: {names}'


def apart(gpu: model.Gpu) -> tuple[model.PciFunction, ...]:
    """List the companions that could stay with the host."""
    card = gpu.function
    return tuple(
        f
        for f in gpu.companions
        if card is not None and f.iommu_group != card.iommu_group
    )


def without(
    gpu: model.Gpu, stay: Collection[model.PciAddress], why: str
) -> model.Gpu:
    """Leave companions with the host: nobody else gets the card whole.

    :param why: they stay, unless another reason stands already
    """
    return dataclasses.replace(
        gpu,
        companions=tuple(f for f in gpu.companions if f.address not in stay),
        whole_withheld=gpu.whole_withheld or why,
    )
