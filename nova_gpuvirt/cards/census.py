"""What a host has, in one line: how many cards of which model, how given."""

from __future__ import annotations

from collections import Counter

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import topology


def kinds(gpu: model.Gpu, *, in_sets: bool = False) -> tuple[str, ...]:
    """List the ways in which guests may have a card.

    :param in_sets: whether it is in a set that can be
    """
    if not offers.can_give(gpu):
        return ()
    found = [model.WHOLE] if gpu.goes_alone else []
    found += [s.kind for s in gpu.shares if offers.parts_of(s)]
    if in_sets:
        found.append(model.SET)
    return tuple(found)


def sets_of(host: discovery.Host) -> dict[model.Device, list[model.CardSet]]:
    """Tell for each card in which sets it is, of those that can be."""
    gpus = {gpu.address: gpu for gpu in host.gpus}
    found: dict[model.Device, list[model.CardSet]] = {}
    for fabric in host.fabrics:
        for cards in topology.can_be(fabric, gpus):
            for card in cards.cards:
                found.setdefault(card, []).append(cards)
    return found


def line(host: discovery.Host) -> str:
    """Count the cards, by model and the ways in which guests may have them.

    Those of which guests get nothing come last.
    """
    in_sets = sets_of(host)
    offered: Counter[tuple[str, tuple[str, ...]]] = Counter()
    others: Counter[str] = Counter()
    for gpu in host.gpus:
        ways = kinds(gpu, in_sets=gpu.address in in_sets)
        if ways:
            offered[gpu.name, ways] += 1
        else:
            others[gpu.name] += 1
    if host.unreadable:
        others['unreadable PCI functions'] = len(host.unreadable)
    parts = [f'{n} {m} by {", ".join(ws)}' for (m, ws), n in offered.items()]
    if others:
        names = ', '.join(f'{n} {name}' for name, n in others.items())
        parts.append(f'nothing of {names}')
    count = f'{offered.total()} of {len(host.gpus)} GPUs'
    return f'{count}: {"; ".join(parts)}' if parts else count
