"""How NVIDIA's vGPUs share a card, and how many more of each it holds."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import placements
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_smi

_DOUBT = (
    'its vGPUs are counted one at a time, since how many GPU instances it has '
    'is not known: root must ask (nvidia-smi mig -lgi); the log says why it '
    'could not'
)

Room = Mapping[int, int]
"""How many more of each type a card holds, by number; one of those that are
not in it."""


def described(
    profile: model.Profile, number: int, card: nvidia_smi.Card | None
) -> model.Profile:
    """Add to a profile what NVIDIA's command says of its type, if it does."""
    told = card.types.get(number) if card else None
    if card is None or told is None:
        return profile
    limit = told.per_guest
    return dataclasses.replace(
        profile,
        max_instances=nvidia_places.max_instances(card, told)
        or profile.max_instances,
        framebuffer_mib=told.framebuffer_mib or profile.framebuffer_mib,
        per_card=profile.per_card if limit is None else limit,
        per_guest=limit,
    )


def doubt(
    known: Mapping[int, model.Profile],
    made: Sequence[nvidia_places.Made],
    card: nvidia_smi.Card | None,
) -> str | None:
    """Tell why more may fit than is counted, if so."""
    is_told = card is not None and card.gpu_instances is not None
    return None if is_told or not _in_mig_mode(known, made) else _DOUBT


def _in_mig_mode(
    known: Mapping[int, model.Profile], made: Sequence[nvidia_places.Made]
) -> bool:
    """Tell whether a card makes vGPUs in GPU instances.

    Older drivers may list types of the mode that the card is not in.
    """
    numbers = {vgpu.number for vgpu in made}
    return any(
        trait_names.MIG_BACKED in p.traits
        for number, p in known.items()
        if p.available or p.places or number in numbers
    )


def rule(
    known: Mapping[int, model.Profile],
    made: Sequence[nvidia_places.Made],
    card: nvidia_smi.Card | None,
    vfs: int,
    *,
    chosen: bool | None,
) -> tuple[model.Rule, Room]:
    """Tell how vGPUs share a card, and what room they leave.

    :param known: the profiles of its types, by their numbers
    :param card: what NVIDIA's command says of it
    :param vfs: how many vGPUs it has VFs for
    :param chosen: whether we choose the places of those to come, None where
        that is not known
    """
    if card is not None and card.gpu_instances:
        return _in_gpu_instances(
            known, made, card, card.gpu_instances, chosen=chosen
        )
    named = all(m.number in known for m in made)
    if _in_mig_mode(known, made) or not named:
        return size_rules.ONE_AT_A_TIME, {}
    if card is not None and card.mixed_sizes:
        placed = [n for n, t in card.types.items() if t.placement_ids]
        # What has no places in a list takes some all the same.
        if not placed or not all(m.number in placed for m in made):
            return size_rules.ONE_AT_A_TIME, {}
        return _mixed(known, made, card, chosen=chosen)
    is_mix = len({known[m.number or 0].framebuffer_mib for m in made}) > 1
    if is_mix or (
        made and all(p.max_instances is None for p in known.values())
    ):
        return size_rules.ONE_AT_A_TIME, {}
    largest = max((p.framebuffer_mib or 0 for p in known.values()), default=0)
    room = {}
    for number, profile in known.items():
        most = profile.max_instances
        if most is None:
            size = profile.framebuffer_mib
            most = min(largest // size, vfs) if size else 1
        room[number] = max(most - len(made), 0)
    # Only the command tells whether sizes mix: without it nobody knows.
    if card is None:
        return size_rules.LIKELY_EQUAL_SIZE, room
    return size_rules.EQUAL_SIZE, room


def _mixed(
    known: Mapping[int, model.Profile],
    made: Sequence[nvidia_places.Made],
    card: nvidia_smi.Card,
    *,
    chosen: bool | None,
) -> tuple[model.Rule, Room]:
    """Count the places of a card, or of GPU instances, where sizes mix."""
    free = {
        number: tuple(
            place.bits for place in nvidia_places.places(card, made, number)
        )
        for number in known
    }
    found = placements.Placements(
        {known[number].slug: bits for number, bits in free.items()},
        nvidia_places.unplaced(known, made, card),
        chosen,
    )
    alone = found.left(
        [
            dataclasses.replace(profile, available=len(free[number]))
            for number, profile in known.items()
        ],
        Counter(),
    )
    return found, {number: alone[p.slug] for number, p in known.items()}


def _in_gpu_instances(
    known: Mapping[int, model.Profile],
    made: Sequence[nvidia_places.Made],
    card: nvidia_smi.Card,
    instances: Counter[int],
    *,
    chosen: bool | None,
) -> tuple[model.Rule, Room]:
    """Count the room in the GPU instances that there are.

    Of one profile some may have one size and some mix them: there a pending
    one may go to either, so nothing of another size is offered beside it.
    """
    mixed, free = _mixed(known, made, card, chosen=chosen)
    alike, room = _of_one_size(known, made, card, instances)
    profiles = Counter(card.mixed_instances.values())
    rules: dict[str, model.Rule] = {}
    for number, profile in known.items():
        told = card.types.get(number)
        kind = told.gi_profile if told else None
        rules[profile.slug] = (
            mixed
            if kind is not None and profiles[kind] == instances[kind]
            else alike
        )
    return size_rules.Apart(rules), {
        number: room[number] + free.get(number, 0) for number in known
    }


def _of_one_size(
    known: Mapping[int, model.Profile],
    made: Sequence[nvidia_places.Made],
    card: nvidia_smi.Card,
    instances: Counter[int],
) -> tuple[model.Rule, Room]:
    """Count the room in the GPU instances that hold one size each."""
    on_mig = {
        number: t
        for number, t in card.types.items()
        if t.gi_profile is not None and number in known
    }
    rule = size_rules.GpuInstances(
        {known[n].slug: t.gi_profile or 0 for n, t in on_mig.items()}
    )
    room = dict.fromkeys(known, 0)
    # By GPU instance profile: GPU instances with the size of their vGPUs.
    used: dict[int, Counter[tuple[int, int | None]]] = {}
    for i, vgpu in enumerate(made):
        told = on_mig.get(vgpu.number or 0)
        if told is None or told.gi_profile is None:
            continue
        # Without a number each may be in a GPU instance of its own.
        instance = vgpu.gpu_instance
        if instance is None:
            instance = -1 - i
        if instance not in card.mixed_instances:
            key = (instance, known[told.number].framebuffer_mib)
            used.setdefault(told.gi_profile, Counter())[key] += 1
    mixed = Counter(card.mixed_instances.values())
    for number, told in on_mig.items():
        assert told.gi_profile is not None
        taken = used.get(told.gi_profile) or Counter()
        per = told.per_gi or 1
        empty = (
            instances[told.gi_profile] - mixed[told.gi_profile] - len(taken)
        )
        size = known[number].framebuffer_mib
        beside = sum(
            max(per - count, 0)
            for (_, other), count in taken.items()
            if other == size
        )
        room[number] = max(empty, 0) * per + beside
    return rule, room
