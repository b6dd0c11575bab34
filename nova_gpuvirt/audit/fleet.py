"""Whether Placement and Nova agree about a whole cloud. Pure.

It knows what the APIs tell, and so no claims, guests or devices: those are
compared on each host.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement

_By = disagreement.By
_Found = Iterator[disagreement.Disagreement]

_RESOURCES = re.compile(r'resources[^:]*:(\w+)')


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server as nova-api shows it.

    `node` names the node that it is on, None for one that is nowhere.
    `is_settled` is whether Nova does nothing with it. `asks` are how many of
    each class of GPU its flavor asks for. `is_known` is whether its cell
    answers.
    """

    uuid: str
    node: str | None
    is_settled: bool
    asks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    is_known: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """A migration, and the server that it is of."""

    uuid: str
    server: str
    is_over: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """A provider in the tree of a node with GPUs.

    `device` is the card that it is of, None for one that is none of ours.
    `allocations` are how many of each class each consumer has, and
    `capacities` how many there are.
    """

    uuid: str
    node: str
    device: str | None
    allocations: Mapping[str, Mapping[str, int]]
    capacities: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Fleet:
    """What the APIs tell of a cloud: all by UUID, but for providers."""

    servers: Mapping[str, Server]
    moves: Mapping[str, Move]
    providers: tuple[Provider, ...]

    @property
    def ours(self) -> tuple[Provider, ...]:
        """The providers of cards and fabrics."""
        return tuple(p for p in self.providers if p.device is not None)


def asked(extra_specs: Mapping[str, str]) -> dict[str, int]:
    """Count what a flavor asks for of each class of GPU, in all its groups."""
    found: Counter[str] = Counter()
    for key, value in extra_specs.items():
        match = _RESOURCES.fullmatch(key)
        if match and model.is_gpu_class(match[1]) and value.isdecimal():
            found[match[1]] += int(value)
    return dict(found)


def compare(fleet: Fleet) -> disagreement.Comparison:
    """Compare what both tell of all hosts with GPUs."""
    found = {
        each
        for rule in (_of_strangers, _lacking, _over_capacity)
        for each in rule(fleet)
    }
    return disagreement.Comparison(
        tuple(sorted(found, key=lambda each: each.key)), _unknown(fleet)
    )


def _unknown(fleet: Fleet) -> dict[str, str]:
    """Tell that some cells do not answer, if so."""
    silent = sum(not server.is_known for server in fleet.servers.values())
    if not silent:
        return {}
    return {'Nova': f'cells with {silent} servers do not answer'}


def _of_strangers(fleet: Fleet) -> _Found:
    """Find allocations that are not of a server where they are."""
    for provider in fleet.ours:
        for consumer, resources in sorted(provider.allocations.items()):
            told = _why_not_theirs(fleet, provider, consumer)
            if told is None:
                continue
            rule, nova, by, remedy = told
            for rc, amount in sorted(resources.items()):
                yield disagreement.Disagreement(
                    rule,
                    _where(provider, rc),
                    consumer,
                    (('Placement', f'{amount} allocated'), ('Nova', nova)),
                    by,
                    remedy,
                )


def _why_not_theirs(
    fleet: Fleet, provider: Provider, consumer: str
) -> tuple[str, str, disagreement.By, str] | None:
    """Tell what is wrong with an allocation, if anything is."""
    server = fleet.servers.get(consumer)
    move = fleet.moves.get(consumer)
    if server is None and move is None:
        if _unknown(fleet):  # it may be a migration of theirs
            return None
        return (
            'allocation-of-nobody',
            'no such server or migration',
            _By.OPERATOR,
            'where an operator or another service has made it, leave it; '
            'else, when each cell answers, openstack resource provider '
            f'allocation delete {consumer}',
        )
    if move is not None:
        if not move.is_over or not _is_settled(fleet, move.server):
            return None
        return (
            'allocation-of-ended-move',
            'a migration that has ended',
            _By.OPERATOR,
            f'`nova-gpuvirt audit` on {provider.node} tells whether its '
            'server claims it, and what to do',
        )
    assert server is not None
    if not server.is_settled or server.node == provider.node:
        return None
    return (
        'allocation-of-server-elsewhere',
        f'a server of {server.node or "no host"}',
        _By.OPERATOR,
        f'`nova-gpuvirt audit` on {provider.node} tells whether it has a '
        'guest there; if not, openstack resource provider allocation unset '
        f'--provider {provider.uuid} {consumer}',
    )


def _is_settled(fleet: Fleet, server: str) -> bool:
    """Tell whether Nova does nothing with a server; one that is gone is."""
    found = fleet.servers.get(server)
    return found is None or found.is_settled


def _lacking(fleet: Fleet) -> _Found:
    """Find servers that have less allocated where they are than they ask for.

    Nova's own providers of PCI devices may have it too.
    """
    has: Counter[tuple[str, str, str]] = Counter()
    for provider in fleet.providers:
        for consumer, resources in provider.allocations.items():
            for rc, amount in resources.items():
                has[consumer, provider.node, rc] += amount
    nodes = {provider.node for provider in fleet.ours}
    for server in fleet.servers.values():
        if server.node not in nodes or not server.is_settled:
            continue
        for rc, amount in sorted(server.asks.items()):
            allocated = has[server.uuid, server.node, rc]
            if allocated < amount:
                yield disagreement.Disagreement(
                    'server-without-allocation',
                    f'{server.node} {rc}',
                    server.uuid,
                    (
                        ('Nova', f'its flavor asks for {amount}'),
                        ('Placement', f'{allocated} allocated'),
                    ),
                    _By.OPERATOR,
                    f'on {server.node}: nova-gpuvirt audit --fix; a server '
                    'without a claim: openstack server shelve '
                    f'{server.uuid}, and unshelve it',
                )


def _over_capacity(fleet: Fleet) -> _Found:
    for provider in fleet.ours:
        used: Counter[str] = Counter()
        for resources in provider.allocations.values():
            used.update(resources)
        for rc, amount in sorted(used.items()):
            capacity = provider.capacities.get(rc, 0)
            if amount > capacity:
                yield disagreement.Disagreement(
                    'over-capacity',
                    _where(provider, rc),
                    '',
                    (
                        ('Placement', f'{amount} allocated'),
                        ('inventory', str(capacity)),
                    ),
                    _By.OPERATOR,
                    'openstack resource provider show --allocations '
                    f'{provider.uuid}, and `nova-gpuvirt audit` on '
                    f'{provider.node}',
                )


def _where(provider: Provider, rc: str) -> str:
    return f'{provider.node} {provider.device} {rc}'
