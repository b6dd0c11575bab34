"""Read a vGPU type as its driver describes it."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Collection

import os_traits as traits

from nova_gpuvirt import model
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import numerals
from nova_gpuvirt.model import trait_names

_NVIDIA_TYPE = re.compile(r'nvidia-\d+')
_GVTG = re.compile(r'i915-GVTg_\w+')
# What one vGPU of GVT-g takes: drivers/gpu/drm/i915/gvt/kvmgt.c prints it.
_GVTG_NEEDS = ('low_gm_size', 'high_gm_size', 'fence')
# What Intel publishes for its guests: DirectX 11.1 and 12, OpenGL 4.2,
# OpenCL 1.2.
_GVTG_APIS = frozenset(
    {
        traits.HW_GPU_API_DIRECT3D_V11_1,
        traits.HW_GPU_API_DIRECT3D_V12_0,
        traits.HW_GPU_API_DIRECTX_V11,
        traits.HW_GPU_API_DIRECTX_V12,
        traits.HW_GPU_API_OPENCL_V1_2,
        traits.HW_GPU_API_OPENGL_V4_2,
    }
)
# "L40S-8Q" and, in a GPU instance of one slice, "H100-1-10C"; the letters
# that may follow tell the instance's media engines ("1-10CME").
_SERIES = re.compile(
    r'-(?:(?P<slices>\d)-)?(?P<gib>[0-9]{1,4})(?P<series>[ABCQ])\w*$'
)
_LONGEST = 200
_RESOLUTION = re.compile(r'(\d{1,6})x(\d{1,6})')


# A card is looked at often, and its types stay.
@functools.lru_cache(maxsize=4096)
def parse(
    type_id: str, name: str | None, description: str | None, available: int
) -> model.Profile:
    """Read a type from the files of its mdev type.

    :param type_id: the folder's name, as ``nvidia-222`` or
        ``i915-GVTg_V5_4``; its number differs between driver branches, so
        only the name identifies a type of NVIDIA's
    :param name: as ``GRID T4-1Q``; optional in the kernel's ABI
    :param description: NVIDIA's ``num_heads=4, framebuffer=1024M, …``, of
        which any key may be missing, GVT-g's lines ``fence: 4``, or anything
    :param available: how many more the driver would make now
    """
    if _NVIDIA_TYPE.fullmatch(type_id) and name and name.strip():
        return _nvidia_mdev(type_id, name, description or '', available)
    if _GVTG.fullmatch(type_id):
        return _gvtg(type_id, description or '', available)
    return model.Profile(slug(type_id), name or type_id, type_id, available)


def rule(profiles: Collection[model.Profile]) -> model.Rule:
    """Tell what mdevs of these types take from each other.

    GVT-g's share an aperture (drivers/gpu/drm/i915/gvt); of any other driver
    than that and NVIDIA's only its own numbers are known.
    """
    if all(p.needs for p in profiles):
        return size_rules.APERTURE
    return size_rules.PROPORTIONAL


def nvidia_slug(name: str) -> str:
    """Make the slug of one of NVIDIA's types.

    ``NVIDIA RTX Pro 6000 Blackwell DC-1-24Q`` is ``nvidia-dc-1-24q``: the
    last word is the type, and its number differs between driver branches.
    """
    return slug(f'nvidia-{name.split()[-1]}')


def nvidia(name: str, type_id: str, available: int) -> model.Profile:
    """Read what the name of one of NVIDIA's types tells.

    A guest may have one of a card, as long as nobody says that it may have
    more (``Max Instances Per VM``).
    """
    short = name.split()[-1]
    series = _SERIES.search(short)
    return model.Profile(
        nvidia_slug(name),
        name,
        type_id,
        available,
        framebuffer_mib=(
            # 0 stands for 512 MiB, as in M60-0Q.
            (int(series['gib']) * 1024 or 512) if series else None
        ),
        traits=frozenset(
            {trait_names.MIG_BACKED} if series and series['slices'] else ()
        ),
        per_card=1,
        series=series['series'] if series else '',
    )


def named(slug: str) -> model.Profile:
    """Read what the slug of one of NVIDIA's types tells."""
    return nvidia(slug.upper(), '', 0)


def gpu_instance(slug: str) -> tuple[int, int] | None:
    """Read which GPU instance one of NVIDIA's types asks for, None for none.

    :param slug: of the type, as ``nvidia-h100-1-10c``
    :returns: its slices, and the size of the vGPU in GB
    """
    series = _SERIES.search(slug.upper())
    if series is None or series['slices'] is None:
        return None
    return int(series['slices']), int(series['gib'])


def _nvidia_mdev(
    type_id: str, name: str, description: str, available: int
) -> model.Profile:
    words = dict(
        re.findall(r'(?<!\w)(\w+)[ \t]*=[ \t]*([^,\s]+)', description)
    )
    resolution = _RESOLUTION.fullmatch(words.get('max_resolution', ''))
    named = nvidia(name, type_id, available)
    # Compute types have a head, and nothing that shows it.
    compute = re.search(r'\dC\w*$', name)
    return dataclasses.replace(
        named,
        max_instances=numerals.decimal(words.get('max_instance')),
        framebuffer_mib=(
            numerals.decimal(words.get('framebuffer', '').removesuffix('M'))
            or named.framebuffer_mib
        ),
        heads=numerals.decimal(words.get('num_heads')),
        resolution=(
            (int(resolution[1]), int(resolution[2])) if resolution else None
        ),
        frame_rate_limit=numerals.decimal(words.get('frl_config')),
        display=None if compute else model.Display.REGION,
    )


def _gvtg(type_id: str, description: str, available: int) -> model.Profile:
    words = dict(
        re.findall(r'(?<!\w)(\w+): *([0-9]{1,9}(?:x[0-9]{1,9})?)', description)
    )
    resolution = words.get('resolution', '').split('x')
    needs = tuple(numerals.decimal(words.get(key)) or 0 for key in _GVTG_NEEDS)
    return model.Profile(
        slug('intel-' + type_id.removeprefix('i915-')),
        type_id.removeprefix('i915-'),
        type_id,
        available,
        resolution=(
            (int(resolution[0]), int(resolution[1]))
            if len(resolution) == 2
            else None
        ),
        needs=needs if all(needs) else (),
        display=model.Display.DMABUF,
        traits=_GVTG_APIS,
    )


def slug(text: str) -> str:
    """Write a name in lower case, with nothing but dashes between.

    What is named after it has 255 characters at most: a class, a trait, and
    the identifier of a claim.
    """
    words = re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')
    return words[:_LONGEST].rstrip('-')
