"""Which cards of a host are near to each other, on PCI and in memory. Pure."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model

LARGEST = 16

_Unit = tuple[model.PciFunction, ...]


# Asked for in each claim, and the cards of a host stay where they are.
@functools.lru_cache(maxsize=64)
def near(
    functions: tuple[model.PciFunction, ...],
    joined: frozenset[frozenset[model.PciAddress]] = frozenset(),
) -> tuple[model.CardSet, ...]:
    """Join cards to pairs, those to sets of four, and so on.

    Two join that are behind one switch, the deeper the better; else on one
    root bus, in one NUMA node, or in the host. So a set never cuts a smaller
    one, and those of one size never overlap.

    :param joined: what is joined already, all of one size; else single cards
    """
    by_unit: dict[object, list[model.PciFunction]] = defaultdict(list)
    units_of = {card: unit for unit in joined for card in unit}
    for function in sorted(functions, key=_order):
        address = function.address
        by_unit[units_of.get(address, address)].append(function)
    units: list[_Unit] = [tuple(unit) for unit in by_unit.values()]
    sets = [_set(unit) for unit in units if len(unit) > 1]
    while units and 2 * len(units[0]) <= LARGEST:
        units = _joined(units)
        sets.extend(map(_set, units))
    return tuple(sets)


def _set(unit: _Unit) -> model.CardSet:
    return model.CardSet.of(f.address for f in unit)


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
