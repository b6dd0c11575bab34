"""What names a device of a host, and what goes to a guest together."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

# The beginning of the resource classes of sets.
SET_CLASS = 'CUSTOM_GPU_SET_'


Ids = tuple[int, int]
"""A model, by its vendor's and its own number in PCI."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class PciAddress:
    """The address of one PCI function, as ``0000:3b:00.0``."""

    domain: int
    bus: int
    slot: int
    function: int

    _FORMAT = re.compile(
        r'([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])', re.I
    )

    @classmethod
    def parse(cls, text: str) -> PciAddress:
        """Parse ``DDDD:BB:SS.F``, in hexadecimal digits of either case.

        The domain may have up to eight digits: nvidia-smi prints eight, and
        the kernel prints as many as it needs but at least four.

        :raises ValueError: when the text is no such address
        """
        match = cls._FORMAT.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f'{text!r} is no PCI address such as 0000:3b:00.0'
            )
        return cls(*(int(part, 16) for part in match.groups()))

    def __str__(self) -> str:
        return (
            f'{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function}'
        )

    @property
    def routing_id(self) -> int:
        """Its number among the functions of its domain, as PCI has it."""
        return self.bus << 8 | self.slot << 3 | self.function

    @property
    def nodedev(self) -> str:
        """The name that libvirt gives the function's node device."""
        return 'pci_' + str(self).replace(':', '_').replace('.', '_')


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class RenderNode:
    """A DRM render node of the host, as ``renderD128``."""

    minor: int

    @classmethod
    def parse(cls, text: str) -> RenderNode:
        """Parse the node's name.

        :raises ValueError: when the text is no such name
        """
        match = re.fullmatch(r'renderD(\d{1,7})', text)
        if match is None:
            raise ValueError(f'{text!r} is no render node such as renderD128')
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f'renderD{self.minor}'


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class CardSet:
    """Cards that go to one guest together, in order of address.

    Its text is ``0000:17:00.0+0000:2a:00.0``.
    """

    cards: tuple[PciAddress, ...]

    def __post_init__(self) -> None:
        if len(self.cards) < 2 or self.cards != tuple(sorted(set(self.cards))):
            raise ValueError('a set has several cards, in order of address')

    @classmethod
    def of(cls, cards: Iterable[PciAddress]) -> CardSet:
        """Make a set of cards in any order."""
        return cls(tuple(sorted(cards)))

    @classmethod
    def parse(cls, text: str) -> CardSet:
        """Parse addresses with a plus between them.

        :raises ValueError: when the text is no such set
        """
        return cls(tuple(PciAddress.parse(part) for part in text.split('+')))

    def __str__(self) -> str:
        return '+'.join(map(str, self.cards))

    @property
    def resource_class(self) -> str:
        """The class of sets of this size, ``CUSTOM_GPU_SET_8``."""
        return f'{SET_CLASS}{len(self.cards)}'

    def overlaps(self, cards: Iterable[Device]) -> bool:
        """Tell whether any of the cards is in the set."""
        return not set(self.cards).isdisjoint(cards)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class FabricName:
    """What names the provider of a host's sets, as ``fabric0``.

    A host has one for each model of card that it has sets of.
    """

    number: int

    @classmethod
    def parse(cls, text: str) -> FabricName:
        """Parse the name.

        :raises ValueError: when the text is no such name
        """
        match = re.fullmatch(r'fabric(0|[1-9]\d{0,3})', text)
        if match is None:
            raise ValueError(f'{text!r} is no fabric such as fabric0')
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f'fabric{self.number}'


def parse_card(text: str) -> PciAddress | RenderNode:
    """Parse which card is meant, as commands print it.

    ``lspci`` leaves the domain 0000 out, nvidia-smi has eight digits of it
    and capital letters. A render node has a name.

    :raises ValueError: for anything else
    """
    if text.startswith('renderD'):
        return RenderNode.parse(text)
    domain = '0000:' if text.count(':') == 1 else ''
    return PciAddress.parse(domain + text)


Device = PciAddress | RenderNode | CardSet | FabricName


def parse_device(text: str) -> Device:
    """Parse the name of what has a provider or stands in a slot.

    :raises ValueError: when the text is none of these
    """
    if text.startswith('renderD'):
        return RenderNode.parse(text)
    if text.startswith('fabric'):
        return FabricName.parse(text)
    if '+' in text:
        return CardSet.parse(text)
    return PciAddress.parse(text)
