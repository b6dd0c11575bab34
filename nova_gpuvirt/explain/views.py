"""A host's GPUs as the scheduler's rules look at them, from Placement. Pure.

Placement has no sizes. Two parts of one card, where they are not of the same
number, count as such that exclude each other.
"""

from __future__ import annotations

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.explain import hosts
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import view

_NO_DEMAND = demand.Demand({}, ())


def view_of(host: hosts.Host) -> view.View:
    """Look at a host."""
    cards = [c for c in host.cards if not c.is_fabric]
    fabrics = [c for c in host.cards if c.is_fabric]
    return view.View(
        summary.Summary(
            tuple(_card(c) for c in cards),
            tuple(
                summary.Sets(
                    fabric.uuid,
                    {rc: ((),) * s.left for rc, s in fabric.stocks.items()},
                )
                for fabric in fabrics
            ),
        ),
        _NO_DEMAND,
    )


def _card(card: hosts.Provider) -> summary.Card:
    stocks = {r: s for r, s in card.stocks.items() if r != orc.PGPU}
    whole = card.stocks.get(orc.PGPU)
    limits = [
        s.max_unit
        for rc, s in stocks.items()
        if rc != model.SESSION_CLASS and s.max_unit < s.capacity
    ]
    parts = tuple(
        summary.Part(
            rc,
            summary.CARD // max(1, stock.capacity),
            summary.Sharing.INDEPENDENT
            if rc == model.SESSION_CLASS
            else summary.Sharing.EQUAL,
            way=int(rc == model.SESSION_CLASS),
        )
        for rc, stock in stocks.items()
    )
    classes = list(stocks)
    return summary.Card(
        card.uuid,
        card.device or card.name,
        summary.Layout(card.model, parts, (min(limits, default=None), 1)),
        health=_health(card),
        whole=None if whole is None else whole.left > 0,
        left=tuple(stock.left for stock in stocks.values()),
        vgpu=classes.index(orc.VGPU) if orc.VGPU in classes else None,
    )


def _health(card: hosts.Provider) -> summary.Health:
    if trait_names.QUARANTINED in card.traits:
        return summary.Health.QUARANTINED
    if trait_names.MISSING in card.traits:
        return summary.Health.MISSING
    return summary.Health.OK
