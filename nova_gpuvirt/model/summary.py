"""What a host tells the scheduler of its cards: one short text.

The text stands under `KEY` in the compute node's ``stats``, a TEXT column of
Nova's database, which the scheduler reads for each request anyway. It is JSON
(`summary_text`).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

import os_resource_classes as orc

KEY = 'gpuvirt'

# A card's parts are measured in millionths of the card.
CARD = 1_000_000


class Sharing(enum.Enum):
    """What the parts of one card take from each other.

    One size at a time, a common budget, or nothing at all.
    """

    EQUAL = 'e'
    MIXED = 'm'
    INDEPENDENT = 'i'


class Health(enum.Enum):
    """Why nothing can be had of a card, if so."""

    OK = ''
    QUARANTINED = 'q'
    MISSING = 'm'


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A profile that cards can be cut to.

    `size` is what one takes of a card, in millionths, and `sharing` how
    those of one card do. `has_screen` is whether the guest's console can show
    it; a host of the first version does not tell, and may. `way` numbers the
    ways in which a card's parts reach guests, as mdevs or as sessions.
    `per_card`, `per_guest` and `series` are those of `model.Profile`.
    """

    resource_class: str
    size: int
    sharing: Sharing
    has_screen: bool = True
    way: int = 0
    per_card: int | None = None
    per_guest: int | None = None
    series: str = ''

    @property
    def limit(self) -> int | None:
        """How many of one card a guest may have that has nothing else."""
        limits = (self.per_card, self.per_guest if self.series else None)
        return min((n for n in limits if n is not None), default=None)


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What a model of card can be cut to.

    `index` is where the part of a class stands.
    """

    model: str
    parts: tuple[Part, ...] = ()
    vendor: str = ''
    index: Mapping[str, int] = dataclasses.field(
        init=False, repr=False, compare=False
    )
    _hash: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        for i, part in enumerate(self.parts):
            index.setdefault(part.resource_class, i)
        object.__setattr__(self, 'index', index)
        value = hash((self.model, self.parts, self.vendor))
        object.__setattr__(self, '_hash', value)

    def __hash__(self) -> int:
        """Answer at once: the scheduler asks for each card and request."""
        return self._hash


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """One card, as it can be had now.

    `numa_node` and `switch` (the PCIe root port or switch above it) tell
    where it is; None where the host has none. `whole` is whether it is free
    as a whole, None where it is not offered so. `unused` are the millionths
    that no part has. `left` counts what is left of each part of the layout,
    and `vgpu` is the index of the part that the class VGPU stands for.
    """

    provider: str
    device: str
    layout: Layout
    numa_node: int | None = None
    switch: str | None = None
    health: Health = Health.OK
    whole: bool | None = None
    unused: int = CARD
    left: tuple[int, ...] = ()
    vgpu: int | None = None

    def part(self, resource_class: str) -> int | None:
        """Find the index of the part that a class stands for."""
        if resource_class == orc.VGPU:
            return self.vgpu
        return self.layout.index.get(resource_class)


@dataclasses.dataclass(frozen=True, slots=True)
class Sets:
    """The sets of one fabric: by class, the free ones, by cards' indexes."""

    provider: str
    free: Mapping[str, tuple[tuple[int, ...], ...]]


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """The shape of a request: CPUs, memory in MiB, and units of GPUs."""

    vcpus: int
    memory_mb: int
    units: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """All that a host tells.

    `running` counts the instances with GPUs that the host has, by shape.
    `arrived` are the marks of instances that have claimed here in the last
    minute, newest last.
    """

    cards: tuple[Card, ...]
    sets: tuple[Sets, ...] = ()
    running: tuple[tuple[Request, int], ...] = ()
    arrived: tuple[str, ...] = ()


def mark(instance: str) -> str:
    """Name an instance in few letters: by the first 8 of its UUID.

    Of those that arrive on a host in one minute hardly two are named alike.
    """
    return instance[:8]
