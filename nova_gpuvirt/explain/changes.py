"""The one change that would remove an obstacle. Pure.

Each is a sentence that goes on after "To make it fit: ".
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import wanted as wanted_
from nova_gpuvirt.model import trait_names


class Rank(enum.IntEnum):
    """Which of several changes is named: what costs least comes first."""

    NAME = 0
    SERVICE = 1
    SERVER = 2
    CARD = 3
    CLASS = 4
    AMOUNT = 5
    TRAIT = 6


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Change:
    """What to do."""

    rank: Rank
    text: str


def enable(service: hosts_.Service) -> Change:
    """Enable a host for the scheduler."""
    return Change(
        Rank.SERVICE,
        f'openstack compute service set --enable {service.host} nova-compute',
    )


def start(service: hosts_.Service) -> Change:
    """Start a host's nova-compute."""
    return Change(
        Rank.SERVICE,
        f'start nova-compute on {service.host}, and read its log where it '
        'does run',
    )


def room(
    host: hosts_.Host, rc: str, count: int, stock: hosts_.Stock
) -> Change | None:
    """Give a host as much as is wanted, or want no more than it has."""
    most = min(stock.left, stock.max_unit)
    if count <= min(stock.capacity, stock.max_unit):
        return Change(
            Rank.SERVER,
            f'move servers with {count - stock.left} of {rc} away from '
            f'{host.name}',
        )
    if not most:
        return None
    return Change(
        Rank.AMOUNT,
        f'ask for {most} of {rc} in place of {count}: {host.name} has them',
    )


def amount(rc: str, count: int) -> Change:
    """Ask for as many as one guest can have."""
    return Change(Rank.AMOUNT, f'ask for {count} of {rc} in one group')


def correct(what: str, name: str, names: frozenset[str]) -> Change | None:
    """Correct a name in the flavor that nothing has."""
    found = hosts_.near(name, names)
    if not found:
        return None
    return Change(
        Rank.NAME,
        f'correct the flavor: no provider has the {what}; near: {found}',
    )


def leave_out(trait: str, where: str) -> Change:
    """Ask for less of a card or host."""
    return Change(Rank.TRAIT, f'leave {trait} out of the flavor, for {where}')


def bring_back(where: str) -> Change:
    """Bring a card back that is quarantined or missing."""
    return Change(
        Rank.CARD,
        f'bring {where} back: the log of its nova-compute, and '
        '"nova-gpuvirt discover" on the host, say what ails it',
    )


def move(
    card: hosts_.Provider,
    where: str,
    rc: str,
    count: int,
    holders: Sequence[hosts_.Holder],
    fleet: hosts_.Fleet,
) -> Change | None:
    """Move the one server whose place would be enough.

    A consumer that is none, such as a migration, can't be moved.
    """
    missing = count - card.stocks[rc].left
    same = _aliases(card, rc)
    enough = [
        (held, holder.name, holder)
        for holder in holders
        if holder.is_server
        and _stays(card, rc, holders, holder)
        and (held := sum(holder.resources.get(a, 0) for a in same)) >= missing
    ]
    if enough:
        holder = min(enough, key=lambda each: each[:2])[2]
    elif (
        len(holders) == 1
        and holders[0].is_server
        and count <= max(1, fleet.most(card.model, rc))
    ):
        (holder,) = holders
    else:
        return None
    return Change(
        Rank.SERVER, f'move or delete server {holder}, which is on {where}'
    )


def _stays(
    card: hosts_.Provider,
    rc: str,
    holders: Sequence[hosts_.Holder],
    moved: hosts_.Holder,
) -> bool:
    """Tell whether a class means the same when a server is gone.

    VGPU is what the most vGPUs of the card are.
    """
    same = _aliases(card, rc)
    return rc != orc.VGPU or all(
        holder.resources.keys() <= same
        for holder in holders
        if holder is not moved
    )


def _aliases(card: hosts_.Provider, rc: str) -> frozenset[str]:
    """List the classes of the profile that a class stands for."""
    default = {*filter(None, map(class_of, card.traits))}
    if rc == orc.VGPU or rc in default:
        return frozenset(default | {orc.VGPU})
    return frozenset((rc,))


def another_class(
    card: hosts_.Provider, where: str, rc: str, count: int
) -> Change | None:
    """Ask for what a card has left: the largest of its profiles."""
    if rc not in (orc.PGPU, orc.VGPU) and not rc.startswith(model.VGPU_CLASS):
        return None
    same = _aliases(card, rc)
    left = [
        (stock.capacity, other, stock.left)
        for other, stock in card.stocks.items()
        if other.startswith(model.VGPU_CLASS)
        and other not in same
        and count <= min(stock.left, stock.max_unit)
    ]
    if not left:
        return None
    _, other, number = min(left)
    return Change(
        Rank.CLASS,
        f'ask for {other} in place of {rc}: {where} has {number} left',
    )


def class_of(trait: str) -> str | None:
    """Name the class of the profile that a trait says VGPU is."""
    if not trait.startswith(trait_names.PROFILE):
        return None
    return model.VGPU_CLASS + trait.removeprefix(trait_names.PROFILE)


def by_profile(
    card: hosts_.Provider, where: str, ask: wanted_.Group, trait: str
) -> Change | None:
    """Ask for a profile by its class, where VGPU stands for another."""
    other = class_of(trait)
    stock = card.stocks.get(other or '')
    if (
        orc.VGPU not in ask.resources
        or stock is None
        or ask.resources[orc.VGPU] > min(stock.left, stock.max_unit)
    ):
        return None
    return Change(
        Rank.CLASS,
        f'ask for {other} in place of {orc.VGPU} with {trait}: {where} has '
        f'{stock.left} left',
    )
