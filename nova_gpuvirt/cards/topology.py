"""Which cards of a host belong together, and which such sets are free. Pure.

What joins cards decides what a set is: a partition of NVSwitches as NVIDIA's
Fabric Manager has it, a hive of AMD's XGMI, or else nearness on PCI Express
and in memory. Cards of one model make one fabric.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model

LARGEST = 16

Ids = tuple[int, int]
"""Vendor and device."""


class Kind(enum.Enum):
    """What joins the cards of a fabric."""

    NVSWITCH = 'nvswitch'
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
    ids: Ids
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
) -> tuple[Fabric, ...]:
    """Tell which sets a host has, model by model.

    A sick card keeps its place, so that the sets of the others stay as they
    are; one that the operator gives to no set has none.

    :param hives: the hive of each card of AMD's, as far as it is known
    :param partitions: None for a host without NVSwitches
    """
    models: dict[Ids, list[model.Gpu]] = defaultdict(list)
    for gpu in gpus:
        if gpu.function is not None and gpu.in_sets:
            function = gpu.function
            models[function.vendor_id, function.device_id].append(gpu)
    return tuple(
        _fabric(ids, cards, hives, partitions)
        for ids, cards in sorted(models.items())
        if len(cards) > 1
    )


def _fabric(
    ids: Ids,
    gpus: Sequence[model.Gpu],
    hives: Mapping[model.PciAddress, str],
    partitions: Partitions | None,
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
    known = {a: hives[a] for a in cards if a in hives}
    if not known:
        return dataclasses.replace(fabric, sets=near(functions))
    names = set(known.values())
    if len(names) == 1:
        # Those that VFIO has say nothing, and there is no other hive.
        known = dict.fromkeys(cards, *names)
    sets = [
        found
        for name in sorted(names)
        for found in near(
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


# Asked for in each claim, and the cards of a host stay where they are.
@functools.lru_cache(maxsize=64)
def near(
    functions: tuple[model.PciFunction, ...],
) -> tuple[model.CardSet, ...]:
    """Join cards to pairs, those to sets of four, and so on.

    Two join that are behind one switch, the deeper the better; else on one
    root bus, in one NUMA node, or in the host. So a set never cuts a smaller
    one, and those of one size never overlap.
    """
    units: list[_Unit] = [(f,) for f in sorted(functions, key=_order)]
    sets: list[model.CardSet] = []
    while units and len(units[0]) < LARGEST:
        units = _joined(units)
        sets.extend(model.CardSet.of(f.address for f in u) for u in units)
    return tuple(sets)


_Unit = tuple[model.PciFunction, ...]


def _joined(units: Sequence[_Unit]) -> list[_Unit]:
    """Join units two by two, the nearest first."""
    depth = max(len(f.above) for unit in units for f in unit)
    levels: list[Callable[[model.PciFunction], Hashable]] = [
        functools.partial(_way, depth=d) for d in range(depth, 0, -1)
    ]
    levels += [lambda f: f.numa_node, lambda _: 'the host']
    joined: list[_Unit] = []
    left = list(units)
    for level in levels:
        groups: dict[Hashable, list[_Unit]] = defaultdict(list)
        alone: list[_Unit] = []
        for unit in left:
            keys = {level(f) for f in unit}
            (key,) = keys if len(keys) == 1 else (None,)
            (alone if key is None else groups[key]).append(unit)
        for group in groups.values():
            pairs = zip(group[::2], group[1::2], strict=False)
            joined.extend(a + b for a, b in pairs)
            if len(group) % 2:
                alone.append(group[-1])
        left = sorted(alone, key=lambda unit: _order(unit[0]))
    return sorted(joined, key=lambda unit: _order(unit[0]))


def _way(function: model.PciFunction, depth: int) -> Hashable:
    if len(function.above) < depth:
        return None
    return function.above[:depth]


def _order(function: model.PciFunction) -> tuple[int, model.PciAddress]:
    node = function.numa_node
    return -1 if node is None else node, function.address


def can_be(
    fabric: Fabric, gpus: Mapping[model.Device, model.Gpu]
) -> tuple[model.CardSet, ...]:
    """List the sets of which every card could be given whole."""
    can_go = {address for address, gpu in gpus.items() if gpu.can_go_whole}
    return tuple(s for s in fabric.sets if can_go.issuperset(s.cards))


def free(
    fabric: Fabric, whole: Collection[model.Device]
) -> dict[str, tuple[model.CardSet, ...]]:
    """Tell which sets can be claimed now, class by class.

    Nova's tracker takes any of a class before the next update, so those of
    one class do not overlap. Those of two classes may: what one request
    takes of both is refused later.

    :param whole: the cards of which nothing is claimed
    """
    left = frozenset(
        s
        for s in fabric.sets
        if all(card in whole for card in s.cards)
        and not any(s.overlaps(p) and p != {*s.cards} for p in fabric.active)
    )
    classes = {s.resource_class for s in fabric.sets}
    return {rc: _family(left, rc) for rc in sorted(classes)}


@functools.lru_cache(maxsize=256)
def _family(
    left: frozenset[model.CardSet], rc: str
) -> tuple[model.CardSet, ...]:
    """Choose as many sets of a class as fit beside each other.

    Of equals, choose those that break the fewest larger sets.
    """
    sets = sorted(s for s in left if s.resource_class == rc)
    if not sets:
        return ()
    taken = [card for s in sets for card in s.cards]
    if len(taken) == len(set(taken)):
        return tuple(sets)
    size = len(sets[0].cards)
    larger = [s for s in left if len(s.cards) > size]
    cost = {s: sum(s.overlaps(x.cards) for x in larger) for s in sets}

    @functools.cache
    def best(
        cards: frozenset[model.PciAddress],
    ) -> tuple[int, int, tuple[model.CardSet, ...]]:
        """Of these cards: how many, less what they break, and which."""
        if len(cards) < size:
            return 0, 0, ()
        first = min(cards)
        options = [best(cards - {first})]
        for found in sets:
            if found.cards[0] == first and cards.issuperset(found.cards):
                count, saved, rest = best(cards.difference(found.cards))
                options.append(
                    (count + 1, saved - cost[found], (found, *rest))
                )
        return max(options, key=lambda option: option[:2])

    return best(frozenset(taken))[2]


@functools.lru_cache(maxsize=64)
def switches(
    functions: tuple[model.PciFunction, ...],
) -> Mapping[model.Device, str | None]:
    """Find the bridge nearest to each card with others of its model behind.

    It is None where there is none.
    """
    return {f.address: _switch(f, functions) for f in functions}


def _switch(
    function: model.PciFunction, functions: Iterable[model.PciFunction]
) -> str | None:
    others = [
        other.above
        for other in functions
        if other.address != function.address
        and other.device_id == function.device_id
        and other.vendor_id == function.vendor_id
    ]
    for depth in range(len(function.above), 1, -1):
        if any(o[:depth] == function.above[:depth] for o in others):
            return function.above[depth - 1]
    return None
