"""The hosts and cards of a cloud, as its APIs show them. Pure."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model as model_
from nova_gpuvirt.model import trait_names

# Names are alike from this ratio of difflib's on, and those as good as the
# best that are within the other.
_ALIKE = 0.8
_AS_GOOD = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Stock:
    """What a provider has of one class: an inventory, and what is used."""

    total: int
    reserved: int = 0
    used: int = 0
    max_unit: int = 2**31 - 1
    min_unit: int = 1
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """What can be had at most, when nobody has anything."""
        return int((self.total - self.reserved) * self.allocation_ratio)

    @property
    def left(self) -> int:
        """What can be had now."""
        return max(0, self.capacity - self.used)


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """A server, or another consumer, and what it has of one card."""

    name: str
    resources: Mapping[str, int]
    is_server: bool = True

    def __str__(self) -> str:
        has = ', '.join(
            f'{rc}={n}' for rc, n in sorted(self.resources.items())
        )
        return f'{self.name} ({has})'


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """A resource provider.

    `device` is the name of the card that it is of, None where it is of none,
    and `holders` who has something of that card.
    """

    uuid: str
    name: str
    device: str | None = None
    traits: frozenset[str] = frozenset()
    stocks: Mapping[str, Stock] = dataclasses.field(default_factory=dict)
    holders: tuple[Holder, ...] = ()

    @property
    def is_fabric(self) -> bool:
        """Whether it has sets of cards, and is no card."""
        return any(rc.startswith(model_.SET_CLASS) for rc in self.stocks)

    @property
    def model(self) -> str:
        """The model of the card, as its trait names it, or nothing."""
        prefix = trait_names.MODEL
        found = sorted(t for t in self.traits if t.startswith(prefix))
        return found[0].removeprefix(prefix) if found else ''


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """The nova-compute of a host, as nova-api sees it."""

    host: str
    is_up: bool = True
    is_enabled: bool = True
    disabled_reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """A host with GPUs: its providers, the root first, and its cards.

    `service` is None where nova-api knows no nova-compute of it.
    """

    name: str
    providers: tuple[Provider, ...]
    cards: tuple[Provider, ...]
    service: Service | None

    @property
    def uuid(self) -> str:
        """The UUID of its root provider, and of its compute node."""
        return self.providers[0].uuid

    def holders(self, card: Provider) -> tuple[Holder, ...]:
        """List who has something of a card, or may have it in a set.

        Placement does not tell which cards are in a set.
        """
        if card.is_fabric:
            return tuple(h for each in self.cards for h in each.holders)
        return card.holders or tuple(
            h for each in self.cards if each.is_fabric for h in each.holders
        )


class Fleet:
    """All hosts with GPUs, and what is where."""

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        self.hosts = hosts

    @functools.cached_property
    def traits(self) -> frozenset[str]:
        """All traits of anything."""
        return frozenset(t for p in self._providers() for t in p.traits)

    @functools.cached_property
    def classes(self) -> frozenset[str]:
        """All resource classes of anything."""
        return frozenset(rc for p in self._providers() for rc in p.stocks)

    def _providers(self) -> Iterator[Provider]:
        for host in self.hosts:
            yield from host.providers
            yield from host.cards

    def most(self, model: str, resource_class: str) -> int:
        """Count how many of a class a card of a model is known to give."""
        return self._most.get((model, resource_class), 0)

    @functools.cached_property
    def _most(self) -> dict[tuple[str, str], int]:
        most: dict[tuple[str, str], int] = {}
        for host in self.hosts:
            for card in host.cards:
                for rc, stock in card.stocks.items():
                    key = card.model, rc
                    most[key] = max(most.get(key, 0), stock.capacity)
        return most


def near(name: str, names: frozenset[str]) -> str:
    """List the names that look most like another one, as text."""
    matcher = difflib.SequenceMatcher(b=name, autojunk=False)
    ratios = {}
    for each in sorted(names):
        matcher.set_seq1(each)
        ratios[each] = matcher.ratio()
    least = max(_ALIKE, max(ratios.values(), default=0) - _AS_GOOD)
    return ', '.join(each for each, r in ratios.items() if r >= least)
