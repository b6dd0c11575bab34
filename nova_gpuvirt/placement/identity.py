"""Whether a card is still the one that was claimed. Pure.

A claim names an address only, and after a swap, or when the firmware numbers
the buses anew, another card may be there. What a claim was made of stands in
Placement, so it survives a restart: the provider has the trait of the card's
vendor and device. While something is claimed there, the trait does not
change. Only that trait is compared: a model's name comes from pci.ids, and
may change with an update of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Set

from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import traits as traits_


def why_another(gpu: model.Gpu, traits: Iterable[str]) -> str | None:
    """Tell why a card is not the one that a provider was of, if it is not.

    Without the trait of a card's ids the provider says nothing of it, and a
    renderer without PCI has none.

    :param traits: the provider's
    """
    function = gpu.function
    if function is None or function.vendor_id == model.NO_VENDOR:
        return None
    others = traits_.ids_of(traits) - {traits_.of_ids(function.ids)}
    if not others:
        return None
    names = ', '.join(sorted(traits_.name_of_ids(t) for t in others))
    return (
        f'it is {gpu.name} ({function.ids_text}), and '
        f'what is claimed here was claimed of {names}; migrate, shelve or '
        'delete the servers that have it, or put the old card back'
    )


def of_claimed(
    known: Mapping[model.Device, inventory.Known],
) -> dict[model.Device, frozenset[str]]:
    """Tell what the cards are that something is claimed of.

    A set is claimed of each of its cards; its fabric says what they are too.

    :returns: the traits of their ids, by card
    """
    cards = {d for d in known if not isinstance(d, model.FabricName)}
    claims = exclusion.by_card({d: k.claims for d, k in known.items()}, cards)
    found = {
        card: traits_.ids_of(known[card].traits if card in known else ())
        for card, made in claims.items()
        if made
    }
    for device, before in known.items():
        if isinstance(device, model.FabricName):
            for card in _cards(before.claims):
                found[card] |= traits_.ids_of(before.traits)
    return {card: frozenset(ids) for card, ids in found.items() if ids}


def _cards(claims: Collection[model.Claim]) -> Set[model.Device]:
    """List the cards of sets, as far as the claims can be read."""
    slots = (claim.slot for claim in claims)
    return {whole.device for slot in slots if slot for whole in slot.wholes}


def hold(
    gpu: model.Gpu, claimed: Mapping[model.Device, frozenset[str]]
) -> model.Gpu:
    """Refuse a card that is another than what is claimed of it.

    :param claimed: what the claimed cards are, as `of_claimed` tells
    """
    if gpu.refusal is not None:
        return gpu
    why = why_another(gpu, claimed.get(gpu.address, ()))
    return gpu if why is None else dataclasses.replace(gpu, refusal=why)
