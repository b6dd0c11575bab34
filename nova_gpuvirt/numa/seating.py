"""Which node each cell of a guest is on, the first way that will do. Pure."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence

Nodes = frozenset[int]


def seats(
    options: Sequence[Sequence[int]],
    needed: Nodes,
    groups: Sequence[Nodes],
    accepts: Callable[[Nodes], bool],
    marks: Mapping[int, Hashable],
) -> tuple[int, ...] | None:
    """Give each cell a node of its own: the first way, in lexical order.

    A way is given up as soon as the cells that are left can't have nodes, or
    can't be on those that are needed still. With no groups and whatever is
    accepted so no step is ever taken back. Else a step is taken once for all
    nodes that are alike: no more than there are sets of nodes, which is
    14 893 for 6 cells and 16 nodes that all differ.

    :param options: for each cell the nodes where it fits, in the order in
        which they are tried
    :param needed: nodes that have to have a cell
    :param groups: of each one node has to have a cell, or more
    :param accepts: has the last word on the nodes that are taken
    :param marks: what `accepts` can tell nodes apart by
    :return: a node for each cell, None if there is no such way
    """
    kinds = {
        node: (
            tuple(cell for cell, each in enumerate(options) if node in each),
            node in needed,
            tuple(node in group for group in groups),
            mark,
        )
        for node, mark in marks.items()
    }
    numbers = {kind: i for i, kind in enumerate(dict.fromkeys(kinds.values()))}
    seen: set[tuple[int, ...]] = set()

    def is_new(used: Nodes) -> bool:
        """Tell whether no nodes like these were tried before."""
        alike = tuple(sorted(numbers[kinds[node]] for node in used))
        if alike in seen:
            return False
        seen.add(alike)
        return True

    def possible(used: Nodes) -> bool:
        left = [{*each} - used for each in options[len(used) :]]
        missing = needed - used
        return (
            _all_seated(left)
            and _all_taken(left, missing)
            and all(
                any(_all_taken(left, missing | {n}) for n in group)
                for group in groups
                if not group & used
            )
        )

    def rest(used: Nodes) -> tuple[int, ...] | None:
        if not is_new(used) or not possible(used):
            return None
        if len(used) == len(options):
            return () if accepts(used) else None
        for node in options[len(used)]:
            if node not in used:
                found = rest(used | {node})
                if found is not None:
                    return (node, *found)
        return None

    return rest(frozenset())


def _all_taken(options: Sequence[Collection[int]], nodes: Nodes) -> bool:
    """Tell whether all these nodes can have a cell at once.

    If so, and if all cells can have a node, both can be at once (Mendelsohn
    and Dulmage, "Some Generalizations of the Problem of Distinct
    Representatives", 1958).
    """
    return _all_seated(
        [
            [cell for cell, each in enumerate(options) if node in each]
            for node in nodes
        ]
    )


def _all_seated(options: Sequence[Collection[int]]) -> bool:
    """Tell whether all can have one of their options, each another one.

    It is the bipartite matching by augmenting paths.
    """
    holders: dict[int, int] = {}

    def seat(who: int, tried: set[int]) -> bool:
        for seat_ in options[who]:
            if seat_ in tried:
                continue
            tried.add(seat_)
            if seat_ not in holders or seat(holders[seat_], tried):
                holders[seat_] = who
                return True
        return False

    return all(seat(who, set()) for who in range(len(options)))
