"""Which sets of a fabric are free, and can be claimed at a time. Pure."""

from __future__ import annotations

import functools
from collections.abc import Collection

from nova_gpuvirt import model
from nova_gpuvirt.cards import topology


def free(
    fabric: topology.Fabric, whole: Collection[model.Device]
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
