"""The inventories of a provider, and what Nova can hand out of them. Pure.

An inventory's total is what is claimed plus what can be claimed now. Where
that is nothing it is ``total=1, reserved=1``: Placement refuses to remove
the class of an allocation, and an allocation may be under way. A class that
the card does not have any more is emptied so, and removed when Placement has
no allocation of it: none can come while it is empty.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Set

from nova_gpuvirt import model
from nova_gpuvirt.cards import offers


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What is known of a provider from before: Placement's, and the claims.

    `unused` are the classes of which Placement has nothing allocated, and
    nothing to allocate.
    """

    inventories: Mapping[str, Mapping[str, int | float]]
    traits: Collection[str]
    claims: Collection[model.Claim]
    unused: Set[str] = frozenset()


UNKNOWN = Known({}, (), ())


def of(
    free: Iterable[offers.Offer],
    known: Known,
    *,
    may_have: Collection[str] | None,
) -> tuple[
    dict[str, dict[str, int | float]],
    dict[str, frozenset[model.Claim]],
    frozenset[str],
]:
    """Tell a provider's inventories and resources, class by class.

    A class that it has no more stays, empty, until Placement says that nobody
    has anything of it: to remove it while an allocation of it is under way
    would fail every update of the host.

    :param free: what is left of each class that it has
    :param may_have: other classes that it may have, None for any
    :returns: also the classes that it has no more
    """
    claimed: dict[str, set[model.Claim]] = {}
    for claim in known.claims:
        claimed.setdefault(claim.resource_class, set()).add(claim)
    by_class = {offer.resource_class: offer for offer in free}
    retired = frozenset(
        ()
        if may_have is None
        else {*known.inventories}.difference(by_class, claimed, may_have)
    )
    kept = {*known.inventories} - (retired & known.unused)
    resources = {}
    inventories = {}
    for rc in sorted({*by_class, *claimed, *kept}):
        offer = by_class.get(rc, offers.Offer(rc, (), 0))
        made = frozenset(claimed.get(rc, ()))
        resources[rc] = made | {
            model.Claim(rc, str(slot)) for slot in offer.slots
        }
        before = int(known.inventories.get(rc, {}).get('max_unit', 1))
        inventories[rc] = _one(
            len(made) + offer.count,
            offer.per_card,
            held=min(before, len(made)),
        )
    return inventories, resources, retired - known.unused


def _one(
    count: int, per_card: int | None, *, held: int
) -> dict[str, int | float]:
    """Tell what there is of a class.

    :param held: as many as one guest may have by now: Placement moves no
        allocation that is larger than what it allows
    """
    total = max(count, 1)
    return {
        'total': total,
        'reserved': 0 if count else 1,
        'min_unit': 1,
        'max_unit': max(min(total, per_card or total), held),
        'step_size': 1,
        'allocation_ratio': 1.0,
    }
