"""Which cards of a host belong together. Pure.

What joins cards decides what a set is: a partition of NVSwitches as NVIDIA's
Fabric Manager has it, NVLinks from card to card, a hive of AMD's XGMI, or else
nearness on PCI Express and in memory. Cards of one model make one fabric.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import bridges as bridges_
from nova_gpuvirt.cards import nearness


class Kind(enum.Enum):
    """What joins the cards of a fabric."""

    NVSWITCH = 'nvswitch'
    NVLINK = 'nvlink'
    XGMI = 'xgmi'
    PCIE = 'pcie'


@dataclasses.dataclass(frozen=True, slots=True)
class Partitions:
    """What is known of the partitions of a host's NVSwitches.

    `cards` are those of each partition all of whose cards can be told,
    `active` of those that are active. `refusal` says why nothing is known,
    `untold` why a card can't be told.
    """

    cards: frozenset[frozenset[model.PciAddress]] = frozenset()
    active: frozenset[frozenset[model.PciAddress]] = frozenset()
    refusal: str | None = None
    untold: Mapping[model.PciAddress, str] = dataclasses.field(
        default_factory=dict
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Fabric:
    """The sets of one model of card in a host.

    `vendor` and `name` are the model's. `sets` are all that are legal,
    overlapping ones too. `active` are the partitions that are active.
    `reasons` say why a card is in no set.
    """

    kind: Kind
    ids: model.Ids
    vendor: str
    name: str
    cards: tuple[model.PciAddress, ...]
    sets: tuple[model.CardSet, ...] = ()
    active: frozenset[frozenset[model.PciAddress]] = frozenset()
    reasons: Mapping[model.PciAddress, str] = dataclasses.field(
        default_factory=dict
    )


def fabrics(
    gpus: Iterable[model.Gpu],
    hives: Mapping[model.PciAddress, str],
    partitions: Partitions | None,
    bridges: bridges_.Bridges = bridges_.NONE,
) -> tuple[Fabric, ...]:
    """Tell which sets a host has, model by model.

    A sick card keeps its place, so that the sets of the others stay as they
    are; one that the operator gives to no set has none.

    :param hives: the hive of each card of AMD's, as far as it is known
    :param partitions: None for a host without NVSwitches
    :param bridges: the NVLinks between cards, as far as they are known
    """
    models: dict[model.Ids, list[model.Gpu]] = defaultdict(list)
    for gpu in gpus:
        if gpu.function is not None and gpu.in_sets:
            models[gpu.function.ids].append(gpu)
    return tuple(
        _fabric(ids, cards, hives, partitions, bridges)
        for ids, cards in sorted(models.items())
        if len(cards) > 1
    )


def _fabric(
    ids: model.Ids,
    gpus: Sequence[model.Gpu],
    hives: Mapping[model.PciAddress, str],
    partitions: Partitions | None,
    bridges: bridges_.Bridges,
) -> Fabric:
    functions = tuple(
        sorted(
            (gpu.function for gpu in gpus if gpu.function is not None),
            key=lambda f: f.address,
        )
    )
    cards = tuple(f.address for f in functions)
    fabric = Fabric(Kind.PCIE, ids, gpus[0].vendor, gpus[0].model, cards)
    if ids[0] == model.NVIDIA and partitions is not None:
        return _switched(fabric, partitions)
    if bridges.joins(cards):
        return dataclasses.replace(
            fabric,
            kind=Kind.NVLINK,
            sets=bridges.sets(functions),
            reasons=dict(bridges.reasons(cards)),
        )
    known = {a: hives[a] for a in cards if a in hives}
    if not known:
        return _near(fabric, functions, bridges)
    names = set(known.values())
    if len(names) == 1:
        # Those that VFIO has say nothing, and there is no other hive.
        known = dict.fromkeys(cards, *names)
    sets = [
        found
        for name in sorted(names)
        for found in nearness.near(
            tuple(f for f in functions if known.get(f.address) == name)
        )
    ]
    reason = (
        'its XGMI hive is not known: amdgpu tells it while it has the card'
    )
    return dataclasses.replace(
        fabric,
        kind=Kind.XGMI,
        sets=tuple(sets),
        reasons=dict.fromkeys(set(cards) - known.keys(), reason),
    )


def _near(
    fabric: Fabric,
    functions: tuple[model.PciFunction, ...],
    bridges: bridges_.Bridges,
) -> Fabric:
    reasons = bridges.why_in_no_set(frozenset(fabric.cards))
    return dataclasses.replace(
        fabric,
        sets=tuple(
            s
            for s in nearness.near(functions)
            if reasons.keys().isdisjoint(s.cards)
        ),
        reasons=reasons,
    )


def _switched(fabric: Fabric, partitions: Partitions) -> Fabric:
    cards = set(fabric.cards)
    if partitions.refusal is not None:
        reasons: Mapping[model.PciAddress, str] = dict.fromkeys(
            fabric.cards, partitions.refusal
        )
    else:
        reasons = {a: r for a, r in partitions.untold.items() if a in cards}
    return dataclasses.replace(
        fabric,
        kind=Kind.NVSWITCH,
        sets=tuple(
            sorted(
                model.CardSet.of(p)
                for p in partitions.cards
                if len(p) > 1 and p <= cards
            )
        ),
        active=frozenset(p for p in partitions.active if p & cards),
        reasons=reasons,
    )


def can_be(
    fabric: Fabric, gpus: Mapping[model.Device, model.Gpu]
) -> tuple[model.CardSet, ...]:
    """List the sets of which every card could be given whole."""
    can_go = {address for address, gpu in gpus.items() if gpu.can_go_whole}
    return tuple(s for s in fabric.sets if can_go.issuperset(s.cards))
