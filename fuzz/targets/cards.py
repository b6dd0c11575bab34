"""What drivers call cards and their types."""

from __future__ import annotations

from fuzz import corpus
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.placement import traits

_TYPES = (
    ('nvidia-222', 'GRID T4-1Q'),
    ('nvidia-1519', 'NVIDIA H100-1-10CME'),
    ('i915-GVTg_V5_4', ''),
    ('other', 'x'),
)
_GVTG = (
    'low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\n'
    'resolution: 1920x1200\nweight: 4\n'
)


def _types(text: str) -> None:
    """Read a type whose id, name and description are of the text."""
    type_id, _, rest = text.partition('\n')
    name, _, description = rest.partition('\n')
    for known in (type_id, *(t for t, _ in _TYPES)):
        profiles.parse.cache_clear()
        found = profiles.parse(known, name, description, 1)
        trait = traits.of_profile(found.slug)
        check(len(trait) <= 255 or len(text) > 200, f'{trait} is no trait')
        check(
            all(c.isascii() and (c.isalnum() or c == '-') for c in found.slug),
            f'{found.slug!r} is no slug',
        )
    if name.strip():
        profiles.nvidia(name, '', 0)
        profiles.named(profiles.nvidia_slug(name))
    profiles.gpu_instance(profiles.slug(name))


def _ids(text: str) -> None:
    vendor, device = allow_list.parse(text)
    check(f'{vendor:04x}:{device:04x}' == text.lower(), f'{text!r} is another')


TARGETS = (
    of_text(
        'mdev-types',
        _types,
        (
            'cards.profiles.parse',
            'cards.profiles.named',
            'cards.profiles.gpu_instance',
            'cards.profiles.nvidia',
            'cards.profiles.nvidia_slug',
            'cards.profiles.slug',
            'placement.traits.of_profile',
        ),
        [
            f'{type_id}\n{name}\n{description}'
            for type_id, name in _TYPES
            for description in (*corpus.outputs('mdev*'), _GVTG)
        ],
    ),
    of_text(
        'accelerators',
        _ids,
        ('cards.allow_list.parse',),
        ('10ee:5004', '10DE:26B9'),
        (ValueError,),
    ),
)
