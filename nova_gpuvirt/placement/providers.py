"""What Placement is told of each card: one provider each. Pure.

::

    <node>                          Nova's own root provider
     ├─ <node>_gpuvirt_0000:3b:00.0 PGPU, VGPU, CUSTOM_VGPU_NVIDIA_T4_2Q, …
     ├─ <node>_gpuvirt_0000:86:00.0
     └─ <node>_gpuvirt_fabric0      CUSTOM_GPU_SET_2, CUSTOM_GPU_SET_4, …
"""

from __future__ import annotations

import dataclasses
import itertools
import types
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import topology
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import traits as traits_

_INFIX = '_gpuvirt_'


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """A card as it is now: what is left of it, and what is claimed.

    `gpu` is None where nothing can be had of it: it is gone, or `is_sick`.
    `in_quarantine` is whether it is there or not.
    `default` is the profile that the class VGPU stands for. `taken` are the
    claims on it, those on sets with it among them. `lost` says which mode of
    the card some of them wait for.
    """

    device: model.Device
    gpu: model.Gpu | None
    is_sick: bool
    default: model.Profile | None
    free: tuple[offers.Offer, ...]
    taken: tuple[model.Claim, ...]
    lost: str | None = None
    in_quarantine: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """One resource provider as it shall be.

    `resources` holds, by class, the claims that exist and those that can be
    made: what Nova's resource tracker hands out. `card` is what it stands
    for. `retired` are the classes that another card in its place has left.
    """

    name: str
    inventories: Mapping[str, Mapping[str, int | float]]
    traits: Set[str]
    resources: Mapping[str, frozenset[model.Claim]]
    card: Card
    retired: Set[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class SetProvider:
    """The provider of a fabric, as `Provider` is of a card.

    `free` are the sets that can be claimed now, by class.
    """

    name: str
    inventories: Mapping[str, Mapping[str, int | float]]
    traits: Set[str]
    resources: Mapping[str, frozenset[model.Claim]]
    free: Mapping[str, tuple[model.CardSet, ...]]
    retired: Set[str] = frozenset()


def provider_name(node: str, address: model.Device) -> str:
    """Name the provider of a card, or of a fabric."""
    return f'{node}{_INFIX}{address}'


def address_of(node: str, provider: str) -> model.Device | None:
    """Read what a provider is of from its name, None where it is not ours."""
    prefix = node + _INFIX
    if not provider.startswith(prefix):
        return None
    try:
        device = model.parse_device(provider.removeprefix(prefix))
    except ValueError:
        return None
    # A card has one provider: another spelling is somebody else's.
    return device if provider_name(node, device) == provider else None


def providers(
    node: str,
    gpus: Iterable[model.Gpu],
    unreadable: Collection[model.Device],
    known: Mapping[model.Device, inventory.Known],
    preferred: Callable[[model.Gpu], Sequence[str]] = lambda _: (),
    fabrics: Sequence[topology.Fabric] = (),
    last: Mapping[model.Device, Provider] = types.MappingProxyType({}),
    in_quarantine: Callable[[model.Device], bool] = lambda _: False,
) -> tuple[Provider | SetProvider, ...]:
    """Tell how every provider of ours shall be.

    A card that is known and was not found keeps its provider and its claims,
    with nothing left to claim and the trait that says why.

    :param unreadable: functions that are there and can't be read
    :param known: the providers that Placement has already, by card
    :param preferred: the operator's globs for the profile of VGPU of a card
    :param fabrics: the sets of cards
    :param last: how those of cards were to be; one for which nothing changed
        since is returned again
    :param in_quarantine: tells whether a card is, one that is gone too
    """
    found = {gpu.address: gpu for gpu in gpus}
    cards: set[model.Device] = {
        a for a in known if not isinstance(a, model.FabricName)
    }
    claims = exclusion.by_card(
        {a: k.claims for a, k in known.items()}, found.keys() | cards
    )
    cards |= {a for a, gpu in found.items() if offers.offers_anything(gpu)}
    result: list[Provider | SetProvider] = [
        *_of_fabrics(node, found, known, claims, fabrics)
    ]
    for address in sorted(cards, key=str):
        gpu = found.get(address)
        before = known.get(address, inventory.UNKNOWN)
        provider = last.get(address)
        if provider is None or not _stands(
            provider, gpu, claims[address], before
        ):
            sick = gpu is not None or address in unreadable
            card = dataclasses.replace(
                _card(address, gpu, sick, claims[address], preferred),
                in_quarantine=in_quarantine(address),
            )
            provider = _provider(provider_name(node, address), card, before)
        result.append(provider)
    return tuple(result)


def _stands(
    provider: Provider,
    gpu: model.Gpu | None,
    taken: Sequence[model.Claim],
    known: inventory.Known,
) -> bool:
    """Tell whether a card's provider shall be as it was to be before."""
    card = provider.card
    return (
        gpu is not None
        and card.gpu is gpu
        and card.taken == tuple(taken)
        and known.inventories.keys() <= provider.inventories.keys()
        and not provider.retired & known.unused
        and traits_.foreign(known.traits) == traits_.foreign(provider.traits)
    )


def _card(
    address: model.Device,
    gpu: model.Gpu | None,
    is_sick: bool,
    taken: Sequence[model.Claim],
    preferred: Callable[[model.Gpu], Sequence[str]],
) -> Card:
    if gpu is None or gpu.refusal is not None:
        return Card(address, None, is_sick, None, (), tuple(taken))
    default = default_profile.of(gpu, taken, preferred(gpu))
    free = offers.offers(gpu, taken, default)
    lost = lost_modes.of(gpu, taken)
    return Card(address, gpu, False, default, free, tuple(taken), lost)


def _of_fabrics(
    node: str,
    gpus: Mapping[model.Device, model.Gpu],
    known: Mapping[model.Device, inventory.Known],
    claims: Mapping[model.Device, Collection[model.Claim]],
    fabrics: Sequence[topology.Fabric],
) -> Iterable[SetProvider]:
    """Tell how the providers of sets shall be."""
    named = fabric_names(fabrics, gpus, known)
    for name in sorted({n for n in known if isinstance(n, model.FabricName)}):
        named.setdefault(name, None)
    for name, fabric in sorted(named.items()):
        before = known.get(name, inventory.UNKNOWN)
        free: dict[str, tuple[model.CardSet, ...]] = {}
        can_be = fabric is not None and topology.can_be(fabric, gpus)
        if fabric is None or not can_be:
            traits = _why_no_sets(fabric, gpus, before)
        else:
            traits = traits_.of_fabric(fabric)
            free = exclusion.free_sets(fabric, gpus, claims)
        slots = [
            offers.all_of(rc, [model.Slot(model.SET, s) for s in sets])
            for rc, sets in free.items()
        ]
        inventories, resources, retired = inventory.of(
            slots, before, may_have=free if can_be else None
        )
        yield SetProvider(
            provider_name(node, name),
            inventories,
            traits_.foreign(before.traits) | traits,
            resources,
            free,
            retired,
        )


def fabric_names(
    fabrics: Iterable[topology.Fabric],
    gpus: Mapping[model.Device, model.Gpu],
    known: Mapping[model.Device, inventory.Known],
) -> dict[model.FabricName, topology.Fabric | None]:
    """Name the fabrics, those that have a provider as they were named.

    One of which no set can be had gets no provider, and keeps one. A provider
    without a model's number, since it was created and its traits were not
    written, is used for one that has none.
    """
    ours = {n: k for n, k in known.items() if isinstance(n, model.FabricName)}
    names = {
        trait: name
        for name, before in ours.items()
        for trait in traits_.ids_of(before.traits)
    }
    nameless = {
        n: k.claims for n, k in ours.items() if n not in names.values()
    }
    taken = {name.number for name in ours}
    result: dict[model.FabricName, topology.Fabric | None] = {}
    for fabric in fabrics:
        name = names.get(traits_.of_ids(fabric.ids))
        can_be = bool(topology.can_be(fabric, gpus))
        if name is None:
            name = _nameless(fabric, nameless, claimed=not can_be)
        if name is None:
            if not can_be:
                continue
            number = next(n for n in itertools.count() if n not in taken)
            taken.add(number)
            name = model.FabricName(number)
        nameless.pop(name, None)
        result[name] = fabric
    return result


def _nameless(
    fabric: topology.Fabric,
    nameless: Mapping[model.FabricName, Collection[model.Claim]],
    *,
    claimed: bool,
) -> model.FabricName | None:
    """Choose for a fabric a provider that does not say whose it is.

    Its claims do, if it has any.

    :param claimed: whether only one with claims will do
    """
    fitting = [
        (not claims, name)
        for name, claims in nameless.items()
        if (claims or not claimed)
        and all(_is_set_of(fabric, claim) for claim in claims)
    ]
    return min(fitting)[1] if fitting else None


def _is_set_of(fabric: topology.Fabric, claim: model.Claim) -> bool:
    slot = claim.slot
    return (
        slot is not None
        and slot.kind == model.SET
        and all(whole.device in fabric.cards for whole in slot.wholes)
    )


def _why_no_sets(
    fabric: topology.Fabric | None,
    gpus: Mapping[model.Device, model.Gpu],
    known: inventory.Known,
) -> set[str]:
    """Mark a provider that has no sets any more.

    The model's number stays: the provider is found again by it.
    """
    traits = {t for t in known.traits if t.startswith(trait_names.ID)}
    if fabric is not None:
        traits.add(traits_.of_ids(fabric.ids))
        sick = any(
            gpus[card].refusal is not None or gpus[card].quarantined
            for card in fabric.cards
        )
        return traits | (
            {trait_names.QUARANTINED} if sick or fabric.reasons else set()
        )
    present = {
        trait for gpu in gpus.values() for trait in traits_.of_card(gpu)
    }
    return traits if traits & present else traits | {trait_names.MISSING}


def _provider(name: str, card: Card, known: inventory.Known) -> Provider:
    inventories, resources, retired = inventory.of(
        card.free, known, may_have=_classes_of(card)
    )
    if card.gpu is not None:
        own = traits_.of_provider(card.gpu, card.default)
        if card.lost is not None:
            own.add(trait_names.MODE_LOST)
    else:
        own = {
            trait_names.QUARANTINED if card.is_sick else trait_names.MISSING
        }
        if card.taken:
            # What it was claimed of, also for when another card is there.
            own |= traits_.identity_of(known.traits)
    if card.in_quarantine:
        own.add(trait_names.QUARANTINED)
    traits = traits_.foreign(known.traits) | own
    return Provider(name, inventories, traits, resources, card, retired)


def _classes_of(card: Card) -> frozenset[str] | None:
    """Name the classes that a card may have besides those it has now.

    :returns: None where that can't be told: of one that is not there, or that
        VFIO has for a guest or after one, and its driver shows nothing of
    """
    if card.gpu is None or card.taken or card.lost is not None:
        return None
    if card.gpu.dirty:
        return None
    if card.gpu.quarantined:
        return offers.classes(card.gpu) | {orc.PGPU, orc.VGPU}
    if offers.offers_anything(card.gpu):
        return offers.classes(card.gpu)
    return None


def classes(
    providers: Iterable[Provider | SetProvider],
) -> frozenset[str]:
    """List the resource classes that the providers have."""
    return frozenset(rc for p in providers for rc in p.inventories)
