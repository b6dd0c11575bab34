"""What traits a card's provider has. Pure.

The names are made in `model.trait_names`.
"""

from __future__ import annotations

from collections.abc import Iterable

import os_traits

from nova_gpuvirt import model
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import topology
from nova_gpuvirt.model import trait_names

# The beginnings of those that say which card it is.
_IDENTITY = (trait_names.ID, trait_names.MODEL, trait_names.VENDOR)

# What os-traits has words for.
_STANDARD = frozenset(os_traits.get_traits('HW_GPU_'))


def foreign(traits: Iterable[str]) -> set[str]:
    """List the traits that others gave to a provider."""
    return {t for t in traits if not t.startswith(trait_names.OURS)}


def of_provider(gpu: model.Gpu, default: model.Profile | None) -> set[str]:
    """Name what a card is and what guests can have of it.

    :param default: the profile that the class VGPU stands for
    """
    traits = {os_traits.OWNER_NOVA, *of_card(gpu)}
    if gpu.goes_alone:
        traits.add(trait_names.custom('KIND', model.WHOLE))
    for share in gpu.shares:
        parts = offers.parts_of(share)
        if parts:
            traits.add(trait_names.custom('KIND', share.kind))
        # Of vGPUs, the traits are those of what VGPU stands for.
        traits |= {t for p in parts if not p.is_vgpu for t in p.traits}
    if default is not None:
        traits.add(of_profile(default.slug))
        traits |= default.traits | _display_traits(default)
    return traits


def of_card(gpu: model.Gpu) -> set[str]:
    """Name what a card is, whatever is claimed of it."""
    traits = {trait_names.custom('MODEL', gpu.model), *gpu.traits}
    if gpu.vendor:
        traits.add(trait_names.custom('VENDOR', gpu.vendor))
    if gpu.function is not None:
        traits.add(of_ids(gpu.function.ids))
    return traits


def of_ids(ids: model.Ids) -> str:
    """Name a model by its vendor's and its own number."""
    return trait_names.custom('ID', '{:04x}_{:04x}'.format(*ids))


def ids_of(traits: Iterable[str]) -> set[str]:
    """List the traits that name models by their numbers."""
    return {t for t in traits if t.startswith(trait_names.ID)}


def name_of_ids(trait: str) -> str:
    """Name a model's numbers as ``lspci -n`` does: ``10de:1eb8``."""
    return trait.removeprefix(trait_names.ID).lower().replace('_', ':')


def identity_of(traits: Iterable[str]) -> set[str]:
    """List the traits that say which card a provider is of."""
    return {t for t in traits if t.startswith(_IDENTITY)}


def of_profile(slug: str) -> str:
    """Name a profile of vGPU."""
    return trait_names.custom('PROFILE', slug)


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
        traits.add(
            trait_names.custom('FRAMEBUFFER', f'{profile.framebuffer_mib}M')
        )
    if profile.frame_rate_limit is not None:
        traits.add(
            trait_names.custom(
                'FRAME_RATE_LIMIT', str(profile.frame_rate_limit)
            )
        )
    return traits | standard & _STANDARD


def of_fabric(fabric: topology.Fabric) -> set[str]:
    """Name what sets of cards are of."""
    traits = {
        os_traits.OWNER_NOVA,
        of_ids(fabric.ids),
        trait_names.custom('MODEL', fabric.name),
        trait_names.custom('KIND', model.SET),
        trait_names.custom('FABRIC', fabric.kind.value),
    }
    if fabric.vendor:
        traits.add(trait_names.custom('VENDOR', fabric.vendor))
    return traits
