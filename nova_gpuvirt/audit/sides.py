"""What each side has of one host's GPUs, at one moment.

A side that could not be read is None: nothing follows from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_gpuvirt import model

OVER = frozenset(
    {
        'cancelled',
        'completed',
        'confirmed',
        'done',
        'error',
        'failed',
        'reverted',
    }
)
"""The states of migrations that have ended, as Nova's
`get_in_progress_by_host_and_node` has it. Those of evacuations are "done", and
"completed" when their source has cleaned up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server as Nova has it.

    `host` is where it is, None for one that is nowhere. `is_settled` is
    whether Nova does nothing with it: of one that is built, moved or deleted
    just now the sides differ for a while. `task` is what Nova does, and `idle`
    how many seconds ago Nova has last changed it.
    """

    uuid: str
    host: str | None
    is_here: bool
    is_settled: bool = True
    is_deleted: bool = False
    vm_state: str = 'active'
    task: str | None = None
    idle: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What a server holds of a provider of this host.

    `is_kept` is whether it is the other side of a move: what the server has
    if it goes back, or had before it is confirmed.
    """

    server: str
    provider: str
    claim: model.Claim
    is_kept: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Allocation:
    """What Placement has allocated to a consumer of a provider of this host.

    `server` is whose it is: the consumer itself, or the server that a
    migration is of; None where Nova's database knows no such consumer.
    `move_is_over` is whether the consumer is a migration that has ended.
    """

    consumer: str
    server: str | None
    provider: str
    resource_class: str
    amount: int
    is_move: bool = False
    move_is_over: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Guest:
    """A domain of libvirt, and which devices of the host it has.

    `has` are addresses and UUIDs, of a running guest those it runs with.
    `defined` are those of its definition, None where it has none.
    """

    uuid: str
    runs: bool
    has: frozenset[str]
    defined: frozenset[str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Hardware:
    """The cards of a host, and what stands on them.

    `unreadable` are functions that are there and can't be read. `active` are
    the cards that NVSwitches join, None where that is not known. `kept` are
    the functions that VFIO has, whose own driver is known, with that.
    """

    gpus: tuple[model.Gpu, ...]
    unreadable: frozenset[str] = frozenset()
    active: frozenset[frozenset[model.PciAddress]] | None = frozenset()
    kept: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Dirty:
    """What of a card is dirty after a server, or would be after it."""

    card: str
    slot: str
    server: str


@dataclasses.dataclass(frozen=True, slots=True)
class Dirt:
    """What is remembered to be dirty, and of which kinds anything is."""

    entries: tuple[Dirty, ...] = ()
    kinds: frozenset[str] = frozenset()


Key = tuple[str, str]
"""A provider's UUID, and a resource class."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sides:
    """What all sides have of a host.

    `host` is its name as Nova has it. `providers` are our providers by UUID,
    each with what it is of. `servers` are those of this host, and all whom a
    claim or an allocation is of, by UUID; `claims` what they hold; `tracked`
    what nova-compute's tracker has of it. `capacities` are how many there are
    of each class. `unread` tells why sides could not be read.
    """

    host: str
    providers: Mapping[str, model.Device]
    servers: Mapping[str, Server] | None = None
    claims: tuple[Held, ...] | None = None
    tracked: frozenset[tuple[str, model.Claim]] | None = None
    allocations: tuple[Allocation, ...] | None = None
    capacities: Mapping[Key, int] | None = None
    guests: tuple[Guest, ...] | None = None
    hardware: Hardware | None = None
    dirt: Dirt | None = None
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)
