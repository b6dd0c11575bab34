"""What stands in the way of a request, and what would remove it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt.explain import changes
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import wanted as wanted_
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import rules
from nova_gpuvirt.scheduler import view as view_


@dataclasses.dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason, and the one change that removes it, where there is one."""

    reason: str
    change: changes.Change | None = None


def of_service(host: hosts_.Host) -> Iterator[Obstacle]:
    """List what keeps Nova's scheduler from a host altogether."""
    service = host.service
    if service is None:
        yield Obstacle('nova-api knows no nova-compute of it')
        return
    if not service.is_enabled:
        why = service.disabled_reason or 'no reason is given'
        yield Obstacle(
            f'its nova-compute is disabled: {why}', changes.enable(service)
        )
    if not service.is_up:
        yield Obstacle('its nova-compute is down', changes.start(service))


def of_host(
    host: hosts_.Host, wanted: wanted_.Wanted, fleet: hosts_.Fleet
) -> Iterator[Obstacle]:
    """List what a host lacks, besides GPUs."""
    traits = frozenset(t for p in host.providers for t in p.traits)
    has_gpus = any(not ask.suffix for ask in wanted.of_gpus)
    for group in wanted.of_hosts:
        for rc, count in sorted(group.resources.items()):
            yield from _amount(host, rc, count)
        if group.suffix or not has_gpus:
            for trait in sorted(group.required - traits):
                yield _missing(host.name, trait, fleet)
        for trait in sorted(group.forbidden & traits):
            yield _forbidden(trait)


def _amount(host: hosts_.Host, rc: str, count: int) -> Iterator[Obstacle]:
    stocks = [p.stocks[rc] for p in host.providers if rc in p.stocks]
    if not stocks:
        # Disks may be another provider's, which hosts share.
        if rc != 'DISK_GB':
            yield Obstacle(f'it has no {rc}, {count} are wanted')
        return
    stock = max(stocks, key=lambda s: s.left)
    if count > stock.left:
        yield Obstacle(
            f'{stock.left} of {stock.capacity} {rc} are left, '
            f'{count} are wanted',
            changes.room(host, rc, count, stock),
        )
    yield from _units(stock, rc, count)


def _units(stock: hosts_.Stock, rc: str, count: int) -> Iterator[Obstacle]:
    """Judge an amount by the limits of an inventory."""
    if stock.max_unit < count <= stock.left:
        yield Obstacle(
            f'one guest can have {stock.max_unit} of {rc}, {count} are wanted',
            changes.amount(rc, stock.max_unit),
        )
    if count < stock.min_unit:
        yield Obstacle(
            f'{stock.min_unit} of {rc} are the least, {count} are wanted',
            changes.amount(rc, stock.min_unit),
        )
    if count % stock.step_size:
        yield Obstacle(
            f'{rc} is given in steps of {stock.step_size}, {count} are wanted'
        )


def of_card(
    host: hosts_.Host,
    card: hosts_.Provider,
    ask: wanted_.Group,
    view: view_.View,
    fleet: hosts_.Fleet,
) -> Iterator[Obstacle]:
    """List why a card can't give what is asked of one card.

    :param view: the host, as the rules of the filter look at it
    """
    where = host.name
    if not card.is_fabric:
        where = f'{card.device} of {host.name}'
    lacking = ask.resources.keys() - card.stocks.keys()
    for rc in sorted(lacking):
        yield Obstacle(
            f'it does not give {rc}',
            changes.correct(f'class {rc}', rc, fleet.classes)
            if rc not in fleet.classes
            else changes.another_class(card, where, rc, ask.resources[rc]),
        )
    parts = tuple(
        candidate.Part(card.uuid, rc, count)
        for rc, count in sorted(ask.resources.items())
        if rc not in lacking
    )
    if card.uuid not in view.providers:
        yield Obstacle('its host tells the scheduler nothing of it')
        return
    sick = rules.is_healthy(view, parts)
    if sick is not None:
        # It has lost the traits of its model and profile until it is back.
        yield Obstacle(_bare(sick, card), changes.bring_back(where))
        return
    yield from _of_traits(host, card, ask, where, fleet)
    holders = host.holders(card)
    amounts = [*_of_amounts(card, where, parts, view, holders, fleet)]
    yield from amounts
    if not amounts and (together := rules.refusal(view, parts)):
        yield Obstacle(_bare(together, card))


def _of_traits(
    host: hosts_.Host,
    card: hosts_.Provider,
    ask: wanted_.Group,
    where: str,
    fleet: hosts_.Fleet,
) -> Iterator[Obstacle]:
    traits = card.traits
    if not ask.suffix:
        traits = traits.union(*(p.traits for p in host.providers))
    for trait in sorted(ask.required - traits):
        profile = changes.by_profile(card, where, ask, trait)
        if profile is None:
            yield _missing(where, trait, fleet)
        else:
            yield Obstacle(f'its VGPU is another, not {trait}', profile)
    for trait in sorted(ask.forbidden & card.traits):
        yield _forbidden(trait)


def _missing(where: str, trait: str, fleet: hosts_.Fleet) -> Obstacle:
    if trait in fleet.traits or changes.class_of(trait) in fleet.classes:
        return Obstacle(f'no {trait}', changes.leave_out(trait, where))
    return Obstacle(
        f'no {trait}, and nothing else has it',
        changes.correct(f'trait {trait}', trait, fleet.traits),
    )


def _forbidden(trait: str) -> Obstacle:
    return Obstacle(f'it has {trait}, which is forbidden')


def _of_amounts(
    card: hosts_.Provider,
    where: str,
    parts: view_.Parts,
    view: view_.View,
    holders: Sequence[hosts_.Holder],
    fleet: hosts_.Fleet,
) -> Iterator[Obstacle]:
    for part in parts:
        rc, count = part.resource_class, part.units
        too_many = rules.is_for_one_guest(view, (part,))
        if too_many is not None:
            limit = card.stocks[rc].max_unit
            yield Obstacle(_bare(too_many, card), changes.amount(rc, limit))
        gone = rules.is_left(view, (part,))
        if gone is not None:
            yield Obstacle(
                f'{_bare(gone, card)}; {_held(holders)}{_lost(card)}',
                changes.move(card, where, rc, count, holders, fleet)
                or changes.another_class(card, where, rc, count),
            )
        if gone is None and too_many is None:
            yield from _units(card.stocks[rc], rc, count)


def _held(holders: Iterable[hosts_.Holder]) -> str:
    names = ', '.join(map(str, holders))
    return f'held: {names}' if names else 'no server holds any of it'


def _lost(card: hosts_.Provider) -> str:
    if trait_names.MODE_LOST not in card.traits:
        return ''
    return (
        '; it has lost a mode that a server on it needs: the log of its '
        'nova-compute names the server and the command that restores it'
    )


def _bare(reason: str, card: hosts_.Provider) -> str:
    """Leave out of a rule's reason which card it is."""
    return reason.removeprefix(f'{card.device} ')
