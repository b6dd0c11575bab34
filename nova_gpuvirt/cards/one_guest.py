"""What one guest may have of several GPUs, and of one GPU several times. Pure.

NVIDIA's Virtual GPU Software User Guide: a guest can't have vGPUs beside whole
cards (section 3), and so many vGPUs as their types allow (``Max Instances Per
VM`` of ``nvidia-smi vgpu -s -v``), of one board and series; NVIDIA AI
Enterprise adds that sizes may differ.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt import model

NVIDIA = 'NVIDIA'


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What a guest has of one card.

    :ivar card: names the card
    :ivar vendor: of the card, and `board` its model
    :ivar count: how many of them
    :ivar way: in which way parts reach the guest; None for the whole card
    :ivar per_card: how many parts of a card, in this way, a guest may have
        that has such; None for as many as fit
    :ivar per_guest: how many vGPUs of this vendor it may have then, of all
        cards
    :ivar series: of NVIDIA's vGPUs, a letter; nothing for other parts
    """

    card: str
    vendor: str
    board: str
    count: int = 1
    way: int | str | None = None
    per_card: int | None = None
    per_guest: int | None = None
    series: str = ''


def vendor_of(gpu: model.Gpu) -> str:
    """Name the vendor of a card: NVIDIA also where nothing has its name."""
    return NVIDIA if gpu.is_nvidia else gpu.vendor


def refusal(held: Collection[Held]) -> str | None:
    """Tell why one guest can't have these together, if so."""
    return _too_many_of_a_card(held) or _of_nvidia(held)


def _too_many_of_a_card(held: Iterable[Held]) -> str | None:
    counts = Counter[tuple[str, int | str]]()
    limits: dict[tuple[str, int | str], int] = {}
    for each in held:
        if each.way is None:
            continue
        key = each.card, each.way
        counts[key] += each.count
        if each.per_card is not None:
            limits[key] = min(each.per_card, limits.get(key, each.per_card))
    for key, limit in limits.items():
        if counts[key] > limit:
            return (
                f'{key[0]} gives {limit} of its parts to one guest, '
                f'{counts[key]} are wanted'
            )
    return None


def _of_nvidia(held: Collection[Held]) -> str | None:
    vgpus = [each for each in held if each.series]
    if not vgpus:
        return None
    whole = [h for h in held if h.way is None and h.vendor == NVIDIA]
    if whole:
        return (
            f'{vgpus[0].card} can not give a vGPU to a guest that has '
            f'{whole[0].card} whole: NVIDIA allows one of both'
        )
    kinds = {(each.board, each.series): each.card for each in vgpus}
    if len(kinds) > 1:
        words = ' and '.join(f'{b} {s}' for b, s in sorted(kinds))
        return (
            f'{vgpus[0].card} can not give a vGPU to a guest beside others: '
            f'NVIDIA wants one board and series, not {words}'
        )
    count = sum(each.count for each in vgpus)
    limit = min(
        (v.per_guest for v in vgpus if v.per_guest is not None), default=None
    )
    if limit is not None and count > limit:
        return (
            f'{vgpus[0].card} gives such vGPUs to a guest that has {limit} '
            f'of them at most, {count} are wanted'
        )
    return None
