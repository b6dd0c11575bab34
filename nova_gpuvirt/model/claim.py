"""What an instance can hold of a card, and what it holds."""

from __future__ import annotations

import dataclasses
import functools
import re

from nova_gpuvirt.model import device as device_

# The kinds of a slot that is a whole card, or several; every other kind is a
# part of one.
WHOLE = 'passthrough'
SET = 'set'


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """One thing that one instance can hold; its text is Nova's identifier.

    ``passthrough:0000:3b:00.0`` is a whole card,
    ``mdev:0000:3b:00.0/3@nvidia-t4-2q`` the card's fourth vGPU, of a profile,
    ``sriov:0000:0c:02.1@amd-instinct-mi300x-cpx-1of8`` a virtual function,
    ``set:0000:17:00.0+0000:2a:00.0`` two cards that belong together. `kind`
    is that of the backend which serves it.
    """

    kind: str
    device: device_.Device
    index: int | None = None
    profile: str | None = None

    _FORMAT = re.compile(
        r'(?P<kind>[a-z][a-z-]*):(?P<device>[^/@]+)'
        r'(?:/(?P<index>[0-9]{1,9}))?'
        r'(?:@(?P<profile>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?))?'
    )

    def __post_init__(self) -> None:
        if self.takes_all != (self.profile is None):
            raise ValueError('a part has a profile, and a whole card none')
        if (self.kind == SET) != isinstance(self.device, device_.CardSet):
            raise ValueError('a set has several cards, and nothing else has')

    @classmethod
    def parse(cls, text: str) -> Slot:
        """Parse an identifier, as this version prints it.

        A slot has one text, by which Nova tells claims apart.

        :raises ValueError: when the text is no identifier of this version
        """
        match = cls._FORMAT.fullmatch(text)
        if match is None:
            raise ValueError(f'{text!r} is no identifier of a slot')
        slot = cls(
            match['kind'],
            device_.parse_device(match['device']),
            None if match['index'] is None else int(match['index']),
            match['profile'],
        )
        if str(slot) != text:
            raise ValueError(f'{text!r} is not how {slot} is written')
        return slot

    @property
    def place(self) -> tuple[str, device_.Device, int | None, str | None]:
        """What one instance alone can have: a VF, whatever it becomes."""
        profile = None if self.index is None else self.profile
        return self.kind, self.device, self.index, profile

    @property
    def takes_all(self) -> bool:
        """Tell whether it leaves nothing of its card, or of its cards."""
        return self.kind in (WHOLE, SET)

    @property
    def wholes(self) -> tuple[Slot, ...]:
        """The slots of the whole cards that it takes; of a part none."""
        if isinstance(self.device, device_.CardSet):
            return tuple(Slot(WHOLE, card) for card in self.device.cards)
        return (self,) if self.kind == WHOLE else ()

    @property
    def parts(self) -> tuple[Slot, ...]:
        """The slots that each are of one card: of a set several."""
        return self.wholes or (self,)

    def __str__(self) -> str:
        index = '' if self.index is None else f'/{self.index}'
        profile = '' if self.profile is None else f'@{self.profile}'
        return f'{self.kind}:{self.device}{index}{profile}'


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """One unit of a resource class that an instance holds."""

    resource_class: str
    identifier: str

    @property
    def slot(self) -> Slot | None:
        """The slot, or None for an identifier that this version can't read."""
        return _slot(self.identifier)

    @property
    def shown(self) -> str:
        """The identifier as a log may show it.

        A row of Nova's database may say anything, of several lines too.
        """
        return ''.join(c if c.isprintable() else '?' for c in self.identifier)


# More than the claims that a host has, and what can be claimed beside them.
@functools.lru_cache(maxsize=8192)
def _slot(identifier: str) -> Slot | None:
    try:
        return Slot.parse(identifier)
    except ValueError:
        return None
