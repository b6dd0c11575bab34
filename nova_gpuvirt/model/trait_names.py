"""The names of the traits that are ours: all of them are made here.

A name is data in Placement and in flavors: none ever changes.
"""

from __future__ import annotations

import os_traits

MISSING = 'CUSTOM_GPU_MISSING'
QUARANTINED = 'CUSTOM_GPU_QUARANTINED'
MIG_BACKED = 'CUSTOM_GPU_MIG_BACKED'
MODE_LOST = 'CUSTOM_GPU_MODE_LOST'

# The beginnings of those that say which card it is, and of what VGPU is.
ID = 'CUSTOM_GPU_ID_'
MODEL = 'CUSTOM_GPU_MODEL_'
VENDOR = 'CUSTOM_GPU_VENDOR_'
PROFILE = 'CUSTOM_GPU_PROFILE_'

# The beginnings of every trait that is ours to set and to take away.
OURS = (
    ID,
    MODEL,
    VENDOR,
    PROFILE,
    'CUSTOM_GPU_CUDA_COMPUTE_CAPABILITY_',
    'CUSTOM_GPU_FABRIC_',
    'CUSTOM_GPU_FRAMEBUFFER_',
    'CUSTOM_GPU_FRAME_RATE_LIMIT_',
    'CUSTOM_GPU_KIND_',
    'HW_GPU_API_',
    'HW_GPU_CUDA_COMPUTE_CAPABILITY_',
    'HW_GPU_MAX_DISPLAY_HEADS_',
    'HW_GPU_RESOLUTION_',
    MISSING,
    QUARANTINED,
    MIG_BACKED,
    MODE_LOST,
)


_LONGEST = 255  # characters of a trait: Placement's schema of traits


def custom(what: str, value: str) -> str:
    """Name a property of a card: ``CUSTOM_GPU_MODEL_TESLA_T4``.

    One that is too long for Placement would keep all of a host's from it.
    """
    name = str(os_traits.normalize_name(f'GPU_{what}_{value}'))
    return name[:_LONGEST]


def cuda(capability: str) -> str:
    """Name a compute capability, ``7.5``, by the standard trait if any."""
    name = f'GPU_CUDA_COMPUTE_CAPABILITY_V{capability.replace(".", "_")}'
    standard = f'HW_{name}'
    if standard in os_traits.get_traits('HW_GPU_CUDA_'):
        return standard
    return f'CUSTOM_{name}'
