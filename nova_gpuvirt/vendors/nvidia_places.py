"""Where NVIDIA's vGPUs of several sizes lie, and where another one goes.

Each type has its own ids at which one may begin, in the memory of the card
or of a GPU instance, whichever mixes sizes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import placements
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A vGPU that exists.

    :ivar number: of its type, None where that can't be told
    :ivar gpu_instance: of MIG, where it lives, if that is known
    :ivar placement: where it lies, where sizes mix and that is known; of both
        what is beyond any card counts as not known
    """

    number: int | None
    gpu_instance: int | None = None
    placement: int | None = None

    def __post_init__(self) -> None:
        for name in ('gpu_instance', 'placement'):
            if (getattr(self, name) or 0) >= placements.REACH:
                object.__setattr__(self, name, None)


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """What is written to move a vGPU.

    :ivar gpu_instance: of MIG, another one; None to stay
    :ivar placement: the placement id
    """

    gpu_instance: int | None
    placement: int


def places(
    card: nvidia_smi.Card, made: Collection[Made], number: int
) -> tuple[placements.Place, ...]:
    """List the places of a type that nothing lies in, in the driver's order.

    It has none where sizes don't mix.
    """
    told = card.types.get(number)
    size = told.placement_size if told else None
    if told is None or not size:
        return ()
    taken = 0
    for vgpu in made:
        taken |= _taken(card, vgpu)
    found = (
        placements.Place.of(instance, start, size)
        for instance in _memories(card, told)
        for start in told.placement_ids
        if start + size <= placements.REACH
    )
    return tuple(place for place in found if not place.bits & taken)


def max_instances(
    card: nvidia_smi.Card, told: nvidia_types.VgpuType
) -> int | None:
    """Tell how many of a type an empty card holds, None if nobody says.

    Where sizes mix, that is how many places they have.
    """
    if card.mixed_sizes and told.gi_profile is None and told.placement_ids:
        return len(told.placement_ids)
    return told.max_instances


def move(
    card: nvidia_smi.Card, mine: Made, others: Collection[Made]
) -> Move | None:
    """Find a better place for a vGPU that the driver has just placed.

    One in a GPU instance of one size stays there.

    :returns: None where there is none, or no choice
    """
    if mine.placement is None:
        return None
    place = choose(card, others, mine.number or 0)
    stays = place is not None and place.gpu_instance == mine.gpu_instance
    if place is None or (stays and place.start == mine.placement):
        return None
    return Move(None if stays else place.gpu_instance, place.start)


def choose(
    card: nvidia_smi.Card, made: Collection[Made], number: int
) -> placements.Place | None:
    """Choose the place of a vGPU to come; None where there is no choice.

    :param made: the others
    :param number: of its type
    """
    free = places(card, made, number)
    kinds = placements.largest_first(
        tuple(place.bits for place in places(card, made, other))
        for other in card.types
    )
    bits = placements.best(kinds, tuple(place.bits for place in free), 0)
    return next((place for place in free if place.bits == bits), None)


def _memories(
    card: nvidia_smi.Card, told: nvidia_types.VgpuType
) -> tuple[int | None, ...]:
    """List where sizes mix: the GPU instances for a type, or the card."""
    if told.gi_profile is None:
        return (None,) if card.mixed_sizes else ()
    return tuple(
        number
        for number, profile in sorted(card.mixed_instances.items())
        if profile == told.gi_profile and number < placements.REACH
    )


def _taken(card: nvidia_smi.Card, made: Made) -> int:
    """Tell what of the memory a vGPU takes, as far as that is known."""
    told = card.types.get(made.number or 0)
    size = told.placement_size if told else None
    if told is None or size is None or size > placements.REACH:
        instance = made.gpu_instance
        return 0 if instance is None else placements.Place.whole(instance).bits
    if made.placement is None or made.gpu_instance not in _memories(
        card, told
    ):
        return 0
    return placements.Place.of(made.gpu_instance, made.placement, size).bits


def unplaced(
    known: Mapping[int, model.Profile],
    made: Collection[Made],
    card: nvidia_smi.Card,
) -> Counter[str]:
    """Count those of which nobody knows where they lie."""
    unplaced: Counter[str] = Counter()
    for vgpu in made:
        told = card.types.get(vgpu.number or 0)
        if told is None or told.number not in known:
            continue
        memories = _memories(card, told)
        hidden = bool(memories) and (
            vgpu.placement is None
            if vgpu.gpu_instance in memories
            else vgpu.gpu_instance is None
        )
        if hidden:
            unplaced[known[told.number].slug] += 1
    return unplaced
