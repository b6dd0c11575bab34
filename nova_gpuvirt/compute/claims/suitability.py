"""Whether one guest may have what is claimed for it, and it was asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from nova import objects

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import one_guest
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import traits as traits_

# The traits of a flavor that name a card or a profile.
_TRAIT = re.compile(
    rf'trait[^:]*:((?:{trait_names.ID}|{trait_names.MODEL}'
    rf'|{trait_names.PROFILE}|{trait_names.VENDOR})\w+)'
)

Cards = Sequence[tuple[model.Gpu, Sequence[model.Claim]]]
"""The cards of which an instance has claimed something, and what."""


def check_together(instance: objects.Instance, cards: Cards) -> None:
    """Make sure that one guest may have all of it.

    :raises ClaimRefused: when it may not
    """
    held = [
        _held(gpu, slot)
        for gpu, claims in cards
        for claim in claims
        if (slot := claim.slot) is not None
    ]
    refusal = one_guest.refusal(held)
    if refusal is not None:
        raise exception.ClaimRefused(
            ', '.join(dict.fromkeys(each.card for each in held)),
            wanted=f'all of it for instance {instance.uuid}',
            found=refusal,
            remedy='ask for them in several servers',
        )


def _held(gpu: model.Gpu, slot: model.Slot) -> one_guest.Held:
    vendor = one_guest.vendor_of(gpu)
    whole = one_guest.Held(str(gpu.address), vendor, gpu.model)
    if slot.takes_all:
        return whole
    share = gpu.share(slot.kind)
    profile = share.profile(slot.profile) if share else None
    if profile is None:
        return dataclasses.replace(whole, way=slot.kind)
    return dataclasses.replace(
        whole,
        way=slot.kind,
        per_card=profile.per_card,
        per_guest=profile.per_guest,
        series=profile.series,
    )


def check_traits(instance: objects.Instance, cards: Cards) -> None:
    """Make sure that the cards are still what the flavor asks for.

    What VGPU stands for on a card may change between Placement's choice and
    the claim, and a card may be another one since.

    :raises ClaimRefused: when they are not
    """
    wanted = {
        match[1]
        for key, value in instance.flavor.extra_specs.items()
        if value == 'required' and (match := _TRAIT.fullmatch(key))
    }
    have = {
        trait for gpu, claims in cards for trait in _traits_of(gpu, claims)
    }
    if not wanted <= have:
        raise exception.ClaimRefused(
            f'instance {instance.uuid}',
            wanted=', '.join(sorted(wanted - have)),
            found=', '.join(sorted(have)),
            remedy=exception.ELSEWHERE,
        )


def _traits_of(gpu: model.Gpu, claims: Iterable[model.Claim]) -> Iterator[str]:
    yield from traits_.of_card(gpu)
    for claim in claims:
        slot = claim.slot
        if slot is not None and slot.profile:
            yield traits_.of_profile(slot.profile)
