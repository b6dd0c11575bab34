"""What is left of a GPU, given what is claimed of it. Pure.

The same card stands behind its whole and behind each of its profiles, so
every claim shrinks all that shares hardware with it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt import sharing
from nova_gpuvirt import vgpu


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """Slots of one resource class that can be claimed now.

    `per_guest` is how many of them one guest may have, None for all.
    """

    resource_class: str
    slots: tuple[model.Slot, ...]
    per_guest: int | None = None


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
    result = []
    if gpu.whole_refusal is None and gpu.offered:
        result.append(Offer(orc.PGPU, _whole(gpu, claims)))
    made = _slots_made(gpu)
    left = _vgpus_left(gpu, claims, made)
    claimed = {slot for c in claims if (slot := c.slot) is not None}
    taken = {slot.index for slot in claimed | made}
    for profile in _offered(gpu):
        slots = _free_slots(gpu, profile, taken, left[profile.slug])
        classes = [profile.resource_class]
        if profile == default:
            classes.append(orc.VGPU)
        result.extend(Offer(rc, slots, gpu.vgpus_per_guest) for rc in classes)
    return tuple(result)


def default_profile(
    gpu: model.Gpu,
    claims: Collection[model.Claim],
    wishes: Sequence[str] = (),
) -> model.Profile | None:
    """Choose what the class VGPU stands for on a card.

    It is the first profile that the operator wishes; else the one that the
    card's vGPUs have already; else the largest of which two fit, or the
    largest. Of equals, it is the one that shows most to its guest.

    :param wishes: globs of profile slugs or names, the dearest first
    """
    for wish in wishes:
        for profile in _offered(gpu):
            if profile.matches(wish):
                return profile
    present = Counter(
        {slug: n for slug, n in _present(gpu, claims).items() if n}
    )
    for slug, _ in present.most_common():
        profile_present = gpu.profile(slug)
        if profile_present is not None and profile_present.offered:
            return profile_present
    return max(_offered(gpu), key=_rank, default=None)


def contradiction(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> str | None:
    """Tell why these claims on one card can't hold together, if they can't.

    What only the card's driver can judge is left to it.
    """
    identifiers = Counter(c.identifier for c in claims)
    for identifier, count in identifiers.items():
        if count > 1:
            return f'{identifier} is claimed {count} times'
    slots = [c.slot for c in claims]
    if len(slots) > 1 and any(_takes_all(slot) for slot in slots):
        return 'the whole card is claimed beside ' + ', '.join(
            sorted(s for s in identifiers if not s.startswith('passthrough:'))
        )
    if gpu.sharing is model.Sharing.EQUAL_SIZE:
        profiles = [gpu.profile(s.profile) for s in slots if s and s.profile]
        sizes = {p.framebuffer_mib: p.name for p in profiles if p}
        if len(sizes) > 1:
            return 'vGPUs of different sizes are claimed: ' + ', '.join(
                sorted(sizes.values())
            )
    return None


def _offered(gpu: model.Gpu) -> tuple[model.Profile, ...]:
    return tuple(p for p in gpu.profiles if p.offered)


def _whole(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> tuple[model.Slot, ...]:
    if claims or gpu.vgpus:
        return ()
    return (model.Slot(model.Kind.PASSTHROUGH, gpu.address),)


def _takes_all(slot: model.Slot | None) -> bool:
    """Tell whether a claim leaves nothing; one we can't read may."""
    return slot is None or slot.kind is model.Kind.PASSTHROUGH


def _vgpus_left(
    gpu: model.Gpu,
    claims: Collection[model.Claim],
    made: Collection[model.Slot],
) -> dict[str, int]:
    pending: Counter[str] = Counter()
    for claim in claims:
        slot = claim.slot
        if slot is None or slot.profile is None or _takes_all(slot):
            return {profile.slug: 0 for profile in gpu.profiles}
        if gpu.profile(slot.profile) is None:
            # Of a profile that the driver has no more: it can't be weighed.
            return {profile.slug: 0 for profile in gpu.profiles}
        if slot not in made:
            pending[slot.profile] += 1
    return sharing.left(gpu.sharing, gpu.profiles, pending)


def _free_slots(
    gpu: model.Gpu,
    profile: model.Profile,
    taken: Collection[int | None],
    count: int,
) -> tuple[model.Slot, ...]:
    """Name the first slots that no claim has and no leftover stands for."""
    free = (i for i in range(vgpu.MAX_INDEX + 1) if i not in taken)
    return tuple(
        model.Slot(model.Kind.MDEV, gpu.address, index, profile.slug)
        for index in itertools.islice(free, count)
    )


def _slots_made(gpu: model.Gpu) -> set[model.Slot]:
    """List the slots for which a vGPU of ours exists."""
    slugs = {p.type_id: p.slug for p in gpu.profiles}
    slots = (
        vgpu.slot_of(v.uuid, model.Kind.MDEV, gpu.address, slugs[v.type_id])
        for v in gpu.vgpus
        if v.type_id in slugs
    )
    return {slot for slot in slots if slot is not None}


def _present(gpu: model.Gpu, claims: Collection[model.Claim]) -> Counter[str]:
    """Count the vGPUs of a card by slug, claimed ones and others."""
    by_type = {p.type_id: p.slug for p in gpu.profiles}
    claimed = Counter(
        slot.profile
        for c in claims
        if (slot := c.slot) is not None and slot.profile is not None
    )
    existing = Counter(
        by_type[v.type_id] for v in gpu.vgpus if v.type_id in by_type
    )
    return claimed | existing


def _rank(profile: model.Profile) -> tuple[bool, int, int, int, str]:
    instances = profile.max_instances or profile.available
    width, height = profile.resolution or (0, 0)
    return (
        instances >= 2,
        -instances if profile.framebuffer_mib is None else 0,
        profile.framebuffer_mib or 0,
        (profile.heads or 0) * width * height,
        profile.slug,
    )
