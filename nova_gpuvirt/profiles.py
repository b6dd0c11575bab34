"""Read a vGPU type as its driver describes it."""

from __future__ import annotations

import re
from collections.abc import Collection

from nova_gpuvirt import model

_NVIDIA = re.compile(r'nvidia-\d+')
_GVTG = re.compile(r'i915-GVTg_\w+')
# What one vGPU of GVT-g takes: drivers/gpu/drm/i915/gvt/kvmgt.c prints it.
_GVTG_NEEDS = ('low_gm_size', 'high_gm_size', 'fence')


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
    if _NVIDIA.fullmatch(type_id) and name:
        return _nvidia(type_id, name, description or '', available)
    if _GVTG.fullmatch(type_id):
        return _gvtg(type_id, description or '', available)
    return model.Profile(_slug(type_id), name or type_id, type_id, available)


def sharing(profiles: Collection[model.Profile]) -> model.Sharing:
    """Tell what vGPUs of these types take from each other.

    NVIDIA's time-sliced vGPUs of one card have one size ("existing physical
    GPUs can't address multiple guests having different types", Nova's
    virtual-gpu.rst), GVT-g's share an aperture (drivers/gpu/drm/i915/gvt);
    of any other driver only its own numbers are known.
    """
    if any(_NVIDIA.fullmatch(p.type_id) for p in profiles):
        return model.Sharing.EQUAL_SIZE
    if all(p.needs for p in profiles):
        return model.Sharing.APERTURE
    return model.Sharing.PROPORTIONAL


def _nvidia(
    type_id: str, name: str, description: str, available: int
) -> model.Profile:
    # "NVIDIA RTX Pro 6000 Blackwell DC-1-24Q": the last word is the type.
    short = name.split()[-1]
    words = dict(re.findall(r'(\w+)\s*=\s*([^,\s]+)', description))
    resolution = re.fullmatch(r'(\d+)x(\d+)', words.get('max_resolution', ''))
    return model.Profile(
        _slug(f'nvidia-{short}'),
        name,
        type_id,
        available,
        max_instances=_int(words.get('max_instance')),
        framebuffer_mib=(
            _int(words.get('framebuffer', '').removesuffix('M'))
            or _framebuffer_of_name(short)
        ),
        heads=_int(words.get('num_heads')),
        resolution=(
            (int(resolution[1]), int(resolution[2])) if resolution else None
        ),
        frame_rate_limit=_int(words.get('frl_config')),
    )


def _framebuffer_of_name(short: str) -> int | None:
    """Read ``T4-2Q`` as 2 GiB; 0 stands for 512 MiB, as in ``M60-0Q``."""
    match = re.search(r'-(\d+)[ABCQ]\w*$', short)
    if match is None:
        return None
    return int(match[1]) * 1024 or 512


def _gvtg(type_id: str, description: str, available: int) -> model.Profile:
    words = dict(re.findall(r'(\w+): *(\d+(?:x\d+)?)', description))
    resolution = words.get('resolution', '').split('x')
    needs = tuple(_int(words.get(key)) or 0 for key in _GVTG_NEEDS)
    return model.Profile(
        _slug('intel-' + type_id.removeprefix('i915-')),
        type_id.removeprefix('i915-'),
        type_id,
        available,
        resolution=(
            (int(resolution[0]), int(resolution[1]))
            if len(resolution) == 2
            else None
        ),
        needs=needs if all(needs) else (),
    )


def _slug(text: str) -> str:
    return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')


def _int(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
