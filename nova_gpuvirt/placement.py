"""What Placement is told of each GPU: one provider a card. Pure.

::

    <node>                          Nova's own root provider
     ├─ <node>_gpuvirt_0000:3b:00.0 PGPU, VGPU, CUSTOM_VGPU_NVIDIA_T4_2Q, …
     └─ <node>_gpuvirt_0000:86:00.0

An inventory's total is what is claimed plus what can be claimed now. Where
that is nothing it is ``total=1, reserved=1``: Placement refuses to remove
the class of an allocation, and an allocation may be under way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set

import os_traits

from nova_gpuvirt import model
from nova_gpuvirt import offers
from nova_gpuvirt import profiles as profiles_

MISSING = 'CUSTOM_GPU_MISSING'
QUARANTINED = 'CUSTOM_GPU_QUARANTINED'

_INFIX = '_gpuvirt_'
# The beginnings of every trait that is ours to set and to take away.
_OWN_TRAITS = (
    'CUSTOM_GPU_CUDA_COMPUTE_CAPABILITY_',
    'CUSTOM_GPU_FRAMEBUFFER_',
    'CUSTOM_GPU_FRAME_RATE_LIMIT_',
    'CUSTOM_GPU_ID_',
    'CUSTOM_GPU_KIND_',
    'CUSTOM_GPU_MODEL_',
    'CUSTOM_GPU_PROFILE_',
    'CUSTOM_GPU_VENDOR_',
    'HW_GPU_API_',
    'HW_GPU_CUDA_COMPUTE_CAPABILITY_',
    'HW_GPU_MAX_DISPLAY_HEADS_',
    'HW_GPU_RESOLUTION_',
    MISSING,
    QUARANTINED,
    profiles_.MIG_BACKED,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """A card as it is now: what is left of it, and what is claimed.

    `gpu` is None where nothing can be had of it: it is gone, or `is_sick`.
    `default` is the profile that the class VGPU stands for.
    """

    device: model.Device
    gpu: model.Gpu | None
    is_sick: bool
    default: model.Profile | None
    free: tuple[offers.Offer, ...]
    claims: tuple[model.Claim, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """One resource provider as it shall be.

    `resources` holds, by class, the claims that exist and those that can be
    made: what Nova's resource tracker hands out. `card` is what it stands
    for.
    """

    name: str
    inventories: Mapping[str, Mapping[str, int | float]]
    traits: Set[str]
    resources: Mapping[str, frozenset[model.Claim]]
    card: Card


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What is known of a provider from before: Placement's, and the claims."""

    inventories: Mapping[str, Mapping[str, int | float]]
    traits: Collection[str]
    claims: Collection[model.Claim]


UNKNOWN = Known({}, (), ())


def provider_name(node: str, address: model.Device) -> str:
    """Name the provider of a card."""
    return f'{node}{_INFIX}{address}'


def address_of(node: str, provider: str) -> model.Device | None:
    """Read the card from a provider's name, None where it is not ours."""
    prefix = node + _INFIX
    if not provider.startswith(prefix):
        return None
    try:
        return model.parse_device(provider.removeprefix(prefix))
    except ValueError:
        return None


def providers(
    node: str,
    gpus: Iterable[model.Gpu],
    unreadable: Collection[model.Device],
    known: Mapping[model.Device, Known],
    wishes: Sequence[str] = (),
) -> tuple[Provider, ...]:
    """Tell how every provider of ours shall be.

    A card that is known and was not found keeps its provider and its claims,
    with nothing left to claim and the trait that says why.

    :param unreadable: functions that are there and can't be read
    :param known: the providers that Placement has already, by card
    :param wishes: the operator's globs for the profile of VGPU
    """
    offered = {
        gpu.address: gpu
        for gpu in gpus
        if offers_anything(gpu) or gpu.address in known
    }
    result = []
    for address in sorted(offered.keys() | known.keys(), key=str):
        before = known.get(address, UNKNOWN)
        card = _card(address, offered.get(address), unreadable, before, wishes)
        result.append(_provider(provider_name(node, address), card, before))
    return tuple(result)


def _card(
    address: model.Device,
    gpu: model.Gpu | None,
    unreadable: Collection[model.Device],
    known: Known,
    wishes: Sequence[str],
) -> Card:
    claims = tuple(known.claims)
    if gpu is None or gpu.refusal is not None:
        sick = gpu is not None or address in unreadable
        return Card(address, None, sick, None, (), claims)
    default = offers.default_profile(gpu, claims, wishes)
    free = offers.offers(gpu, claims, default)
    return Card(address, gpu, False, default, free, claims)


def offers_anything(gpu: model.Gpu) -> bool:
    """Tell whether guests may have anything of a card."""
    return can_give(gpu) and (
        (gpu.whole_refusal is None and gpu.offered)
        or any(parts_of(share) for share in gpu.shares)
    )


def can_give(gpu: model.Gpu) -> bool:
    """Tell whether anything of a card could be had, if it was allowed."""
    return gpu.refusal is None and (
        gpu.whole_refusal is None
        or any(s.refusal is None and s.profiles for s in gpu.shares)
    )


def _provider(name: str, card: Card, known: Known) -> Provider:
    claimed: dict[str, set[model.Claim]] = {}
    for claim in card.claims:
        claimed.setdefault(claim.resource_class, set()).add(claim)
    by_class = {offer.resource_class: offer for offer in card.free}
    resources = {}
    inventories = {}
    # A class that the card has no more stays, empty: to remove it while an
    # allocation of it is under way would fail every update of the host.
    for rc in sorted({*by_class, *claimed, *known.inventories}):
        offer = by_class.get(rc, offers.Offer(rc, ()))
        resources[rc] = frozenset(claimed.get(rc, ())) | {
            model.Claim(rc, str(slot)) for slot in offer.slots
        }
        inventories[rc] = _inventory(len(resources[rc]), offer.per_guest)
    foreign = {t for t in known.traits if not t.startswith(_OWN_TRAITS)}
    traits = foreign | _traits(card)
    return Provider(name, inventories, traits, resources, card)


def _inventory(count: int, per_guest: int | None) -> dict[str, int | float]:
    total = max(count, 1)
    return {
        'total': total,
        'reserved': 0 if count else 1,
        'min_unit': 1,
        'max_unit': min(total, per_guest or total),
        'step_size': 1,
        'allocation_ratio': 1.0,
    }


def parts_of(share: model.Share) -> tuple[model.Profile, ...]:
    """List the parts that guests may have in one way."""
    if share.refusal is not None:
        return ()
    return tuple(p for p in share.profiles if p.offered)


def _traits(card: Card) -> set[str]:
    gpu, default = card.gpu, card.default
    if gpu is None:
        return {QUARANTINED if card.is_sick else MISSING}
    traits = {os_traits.OWNER_NOVA, *card_traits(gpu)}
    if gpu.whole_refusal is None and gpu.offered:
        traits.add(_custom('KIND', model.WHOLE))
    for share in gpu.shares:
        parts = parts_of(share)
        if parts:
            traits.add(_custom('KIND', share.kind))
        # Of vGPUs, the traits are those of what VGPU stands for.
        traits |= {t for p in parts if not p.is_vgpu for t in p.traits}
    if default is not None:
        traits.add(profile_trait(default.slug))
        traits |= default.traits | _display_traits(default)
    return traits


def card_traits(gpu: model.Gpu) -> set[str]:
    """Name what a card is, whatever is claimed of it."""
    traits = {_custom('MODEL', gpu.model), *gpu.traits}
    if gpu.vendor:
        traits.add(_custom('VENDOR', gpu.vendor))
    if gpu.function is not None:
        ids = gpu.function.vendor_id, gpu.function.device_id
        traits.add(_custom('ID', '{:04x}_{:04x}'.format(*ids)))
    return traits


def profile_trait(slug: str) -> str:
    """Name a profile of vGPU."""
    return _custom('PROFILE', slug)


def _custom(what: str, value: str) -> str:
    name = os_traits.normalize_name(f'GPU_{what}_{value}')
    return str(name)


def _display_traits(profile: model.Profile) -> set[str]:
    """Name what a guest sees, in the words of os-traits where it has them."""
    standard = set()
    traits = set()
    if profile.heads is not None:
        standard.add(f'HW_GPU_MAX_DISPLAY_HEADS_{profile.heads}')
    if profile.resolution is not None:
        width, height = profile.resolution
        standard.add(f'HW_GPU_RESOLUTION_W{width}H{height}')
    if profile.framebuffer_mib is not None:
        traits.add(_custom('FRAMEBUFFER', f'{profile.framebuffer_mib}M'))
    if profile.frame_rate_limit is not None:
        traits.add(_custom('FRAME_RATE_LIMIT', str(profile.frame_rate_limit)))
    return traits | standard & set(os_traits.get_traits('HW_GPU_'))


def classes(providers: Iterable[Provider]) -> frozenset[str]:
    """List the resource classes that the providers have."""
    return frozenset(rc for p in providers for rc in p.inventories)
