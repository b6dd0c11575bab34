"""What is left in Placement, before and after a server. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import os_resource_classes as orc

# An amount for each resource class.
Amounts = Mapping[str, int]
# The amounts of each provider, by its UUID.
ByProvider = Mapping[str, Amounts]


def free(
    inventories: Mapping[str, Mapping[str, int | float]], usages: Amounts
) -> dict[str, int]:
    """Count what a provider can still give, by resource class.

    :param inventories: the provider's, as Placement shows them
    :param usages: how much of each class is allocated
    """
    return {
        rc: int(
            (inventory['total'] - inventory['reserved'])
            * inventory['allocation_ratio']
        )
        - usages.get(rc, 0)
        for rc, inventory in inventories.items()
    }


def room(left: ByProvider, wanted: Amounts) -> int:
    """Count the servers that could fit, at most.

    Each class is counted for itself, so hardware that two of them share is
    counted twice.
    """
    return min(
        sum(amounts.get(rc, 0) for amounts in left.values()) // amount
        for rc, amount in wanted.items()
    )


def contradictions(
    before: ByProvider, after: ByProvider, allocated: ByProvider
) -> list[str]:
    """Say where what is left disagrees with what was allocated meanwhile.

    A provider has less of a class by what was allocated of it, or by more
    where the rest does not fit any longer. A whole card and its parts exclude
    each other. Nothing is left that was not there before; other classes and
    providers can have less, since they may stand for the same hardware.

    VGPU alone can be more, of a card that gives a vGPU by the class of its
    profile: it then stands for that profile, of which more may fit.
    """
    found = []
    for provider in before.keys() | after.keys() | allocated.keys():
        was = before.get(provider, {})
        now = after.get(provider, {})
        taken = allocated.get(provider, {})
        classes = was.keys() | now.keys() | taken.keys()
        if taken and not taken.keys() & {orc.PGPU, orc.VGPU}:
            classes -= {orc.VGPU}
        for rc in sorted(classes):
            at_most = was.get(rc, 0) - taken.get(rc, 0)
            if orc.PGPU in taken or (taken and rc == orc.PGPU):
                at_most = 0
            if now.get(rc, 0) > at_most:
                found.append(
                    f'{rc} of {provider}: {was.get(rc, 0)} were left, '
                    f'{taken.get(rc, 0)} were allocated, '
                    f'{now.get(rc, 0)} are left'
                )
    return sorted(found)
