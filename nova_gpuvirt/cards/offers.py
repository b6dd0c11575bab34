"""What is left of a card, given what is claimed of it. Pure.

The same card stands behind its whole and behind each of its profiles, so
every claim shrinks all that shares hardware with it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import vgpu


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What can be claimed now of one resource class.

    `count` is how many, and `per_card` how many of this card's one guest may
    have, None for all. `slots` are those that the next guest can take.
    """

    resource_class: str
    slots: tuple[model.Slot, ...]
    count: int
    per_card: int | None = None


def all_of(resource_class: str, slots: Collection[model.Slot]) -> Offer:
    """Offer slots of which one guest may have all."""
    return Offer(resource_class, tuple(slots), len(slots))


def offers(
    gpu: model.Gpu,
    claims: Collection[model.Claim],
    default: model.Profile | None,
) -> tuple[Offer, ...]:
    """Tell what can still be claimed of a card, class by class.

    A class that the card has, but of which nothing is left, has no slots.

    :param claims: every claim on this card, of any class
    :param default: the profile that the class VGPU stands for
    """
    if gpu.refusal is not None:
        return ()
    claims = exclusion.with_dirt(gpu, claims)
    result = []
    if gpu.goes_alone:
        result.append(all_of(orc.PGPU, _whole(gpu, claims)))
    claimed = {slot for c in claims if (slot := c.slot) is not None}
    for share in gpu.shares:
        made = {vgpu.slot for vgpu in share.vgpus if vgpu.slot is not None}
        left = _left(gpu, share, claims, {slot.place for slot in made})
        taken = {s for s in claimed | made if s.kind == share.kind}
        devices = share.excluded.union(slot.device for slot in taken)
        indexes = {s.index for s in taken if s.index is not None}
        named: Counter[model.Device] = Counter()
        for profile in share.profiles:
            if not profile.offered:
                continue
            count = min(left[profile.slug], _room(profile, devices, indexes))
            most = min(count, profile.per_card or count)
            free = _free_slots(share, profile, devices, indexes, named)
            slots = tuple(itertools.islice(free, most))
            named.update(slot.device for slot in slots)
            classes = [profile.resource_class]
            if default is not None and profile.slug == default.slug:
                classes.append(orc.VGPU)
            result.extend(
                Offer(rc, slots, count, profile.per_card) for rc in classes
            )
    return tuple(result)


def classes(gpu: model.Gpu) -> frozenset[str]:
    """Name the classes of a card's parts, whether guests may have them."""
    return frozenset(
        profile.resource_class
        for share in gpu.shares
        for profile in share.profiles
    )


def parts_of(share: model.Share) -> tuple[model.Profile, ...]:
    """List the parts that guests may have in one way."""
    if share.refusal is not None:
        return ()
    return tuple(p for p in share.profiles if p.offered)


def offers_anything(gpu: model.Gpu) -> bool:
    """Tell whether guests may have anything of a card."""
    return can_give(gpu) and (
        gpu.goes_alone or any(parts_of(share) for share in gpu.shares)
    )


def can_give(gpu: model.Gpu) -> bool:
    """Tell whether anything of a card could be had, if it was allowed."""
    return gpu.can_go_whole or (
        gpu.refusal is None
        and gpu.withheld is None
        and any(s.refusal is None and s.profiles for s in gpu.shares)
    )


def _whole(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> tuple[model.Slot, ...]:
    if not exclusion.is_whole(gpu, claims):
        return ()
    return (model.Slot(model.WHOLE, gpu.address),)


def _left(
    gpu: model.Gpu,
    share: model.Share,
    claims: Collection[model.Claim],
    made: Collection[tuple[object, ...]],
) -> dict[str, int]:
    nothing = {profile.slug: 0 for profile in share.profiles}
    if share.refusal is not None:
        return nothing
    pending: Counter[str] = Counter()
    for claim in claims:
        slot = claim.slot
        if (
            slot is None
            or exclusion.takes_all(slot)
            or gpu.share(slot.kind) is None
        ):
            return nothing
        if slot.kind == share.kind and slot.place not in made:
            pending[slot.profile or ''] += 1
    return share.rule.left(share.profiles, pending)


def _room(
    profile: model.Profile,
    devices: Collection[model.Device],
    indexes: Collection[int],
) -> int:
    """Count the slots that `_free_slots` names."""
    if profile.places is not None:
        return sum(vf not in devices for vf in profile.places)
    return vgpu.MAX_INDEX + 1 - len(indexes)


def _free_slots(
    share: model.Share,
    profile: model.Profile,
    devices: Collection[model.Device],
    indexes: Collection[int],
    named: Counter[model.Device],
) -> Iterator[model.Slot]:
    """Name the slots that no claim has and no leftover stands for.

    A guest may ask for several profiles, for each of which Nova takes any of
    the slots that are named: so VFs come first that fewest profiles name.

    :param devices: those that are taken, or excluded
    :param indexes: those that are taken
    :param named: how many profiles name a VF already
    """
    if profile.places is not None:
        free = [vf for vf in profile.places if vf not in devices]
        if profile.per_card != 1:
            free.sort(key=named.__getitem__)
        for vf in free:
            yield model.Slot(share.kind, vf, profile=profile.slug)
        return
    assert share.device is not None
    for index in range(vgpu.MAX_INDEX + 1):
        if index not in indexes:
            yield model.Slot(share.kind, share.device, index, profile.slug)


def present(gpu: model.Gpu, claims: Collection[model.Claim]) -> Counter[str]:
    """Count the parts of a card by slug: those claimed, and those made."""
    claimed = Counter(
        slot.profile
        for c in claims
        if (slot := c.slot) is not None and slot.profile is not None
    )
    existing = Counter(v.profile for v in gpu.vgpus if v.profile is not None)
    return claimed | existing
