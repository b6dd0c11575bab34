"""What of a card excludes what: the whole card, and its parts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import free_sets as free_sets_
from nova_gpuvirt.cards import topology


def contradiction(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> str | None:
    """Tell why these claims on one card can't hold together, if they can't.

    What only the card's driver can judge is left to it.
    """
    slots = [c.slot for c in claims]
    identifiers = Counter(c.identifier for c in claims)
    places = Counter(slot.place for slot in slots if slot is not None)
    for claim, slot in zip(claims, slots, strict=True):
        count = max(
            identifiers[claim.identifier], places[slot.place] if slot else 0
        )
        if count > 1:
            return f'{claim.shown} is claimed {count} times'
    if len(slots) > 1 and any(takes_all(slot) for slot in slots):
        whole = str(model.Slot(model.WHOLE, gpu.address))
        return 'the whole card is claimed beside ' + ', '.join(
            sorted({c.shown for c in claims if c.identifier != whole})
        )
    for share in gpu.shares:
        profiles = {p.slug: p for p in share.profiles}
        clash = share.rule.clash(
            [
                profiles[slot.profile]
                for slot in slots
                if slot is not None
                and slot.kind == share.kind
                and slot.profile in profiles
            ]
        )
        if clash is not None:
            return clash
    return None


def takes_all(slot: model.Slot | None) -> bool:
    """Tell whether a claim leaves nothing; one we can't read may."""
    return slot is None or slot.takes_all


def by_card(
    claims: Mapping[model.Device, Collection[model.Claim]],
    cards: Collection[model.Device],
) -> dict[model.Device, list[model.Claim]]:
    """Gather the claims on each card: its own, and those of sets with it.

    A claim on a set that we can't read may be on any card.

    :param claims: by what names the provider that they are of
    """
    result = {card: list(claims.get(card, ())) for card in cards}
    for device, made in claims.items():
        if not isinstance(device, model.FabricName):
            continue
        for claim in made:
            slot = claim.slot
            taken = [w.device for w in slot.wholes] if slot else cards
            for card in taken:
                result.setdefault(card, []).append(claim)
    return result


def with_dirt(
    gpu: model.Gpu, claims: Collection[model.Claim]
) -> list[model.Claim]:
    """Count what is dirty of a card as claimed, where nobody claims it."""
    claimed = {slot.place for c in claims if (slot := c.slot) is not None}
    return [
        *claims,
        *(
            model.Claim('', str(slot))
            for slot in sorted(gpu.dirty, key=str)
            if slot.place not in claimed
        ),
    ]


def is_whole(gpu: model.Gpu, claims: Collection[model.Claim]) -> bool:
    """Tell whether a card can be given whole, and nothing of it is taken."""
    return gpu.can_go_whole and not (claims or gpu.vgpus)


def free_sets(
    fabric: topology.Fabric,
    gpus: Mapping[model.Device, model.Gpu],
    claims: Mapping[model.Device, Collection[model.Claim]],
) -> dict[str, tuple[model.CardSet, ...]]:
    """Tell which sets can be claimed now, class by class.

    :param gpus: by their addresses
    :param claims: on each card, as `by_card` gathers them
    """
    whole = {
        address
        for address, gpu in gpus.items()
        if is_whole(gpu, with_dirt(gpu, claims.get(address, ())))
    }
    return free_sets_.free(fabric, whole)
