"""The UUIDs that our vGPUs bear, and what can be read from one.

A UUID of version 8 (RFC 9562, section 5.8) leaves 122 bits to its maker::

    48 bits  digest of the card and the profile
    12 bits  index of the slot
    62 bits  digest of the instance's UUID

So a repeat finds its own vGPU again, anybody can tell which slot a vGPU
stands for, and nothing has to be kept beside Nova's own claims.
"""

from __future__ import annotations

import functools
import hashlib
import uuid

from nova_gpuvirt import model

MAX_INDEX = (1 << 12) - 1

_VERSION = 8 << 76
_VARIANT = 0b10 << 62


def uuid_of(slot: model.Slot, instance: str) -> uuid.UUID:
    """Name the vGPU of an instance in a slot.

    :param slot: the slot of a vGPU, with an index of at most `MAX_INDEX`
    :param instance: the UUID of the instance
    :raises ValueError: for a slot without such an index
    """
    if slot.index is None or slot.index > MAX_INDEX:
        raise ValueError(f'{slot} has no index from 0 to {MAX_INDEX}')
    return uuid.UUID(
        int=_card_digest(slot.kind, slot.device, slot.profile or '') << 80
        | _VERSION
        | slot.index << 64
        | _VARIANT
        | _digest(instance, 62)
    )


def slot_of(
    vgpu: uuid.UUID,
    kind: str,
    card: model.Device,
    profile: str,
) -> model.Slot | None:
    """Tell which slot a vGPU stands for, whoever the instance.

    :param card: the card that has the vGPU
    :param profile: the slug of the profile that it is of
    :returns: None where the vGPU is not one of ours
    """
    ours = vgpu.version == 8 and vgpu.int >> 80 == _card_digest(
        kind, card, profile
    )
    if not ours:
        return None
    return model.Slot(kind, card, vgpu.int >> 64 & MAX_INDEX, profile)


@functools.cache
def _card_digest(kind: str, card: model.Device, profile: str) -> int:
    return _digest(f'{kind}:{card}@{profile}', 48)


def _digest(text: str, bits: int) -> int:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest) >> (len(digest) * 8 - bits)
