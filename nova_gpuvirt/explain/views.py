"""A host's GPUs as the scheduler's rules look at them, from Placement. Pure.

Placement has no sizes. Two parts of one card, where they are not of the same
number, count as such that exclude each other.
"""

from __future__ import annotations

import re

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.cards import one_guest
from nova_gpuvirt.explain import hosts
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import view

_NVIDIA_ID = f'{trait_names.ID}{model.NVIDIA:04X}_'
_PROFILE = re.compile(f'{trait_names.PROFILE}|{model.VGPU_CLASS}')
_SERIES = re.compile(r'_\d+([ABCQ])\w*$')
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
    parts = tuple(
        summary.Part(
            rc,
            summary.CARD // max(1, stock.capacity),
            summary.Sharing.INDEPENDENT
            if rc == model.SESSION_CLASS
            else summary.Sharing.EQUAL,
            way=int(rc == model.SESSION_CLASS),
            per_card=_limit(rc, stock),
            series=_series(card, rc),
        )
        for rc, stock in stocks.items()
    )
    classes = list(stocks)
    return summary.Card(
        card.uuid,
        card.device or card.name,
        summary.Layout(card.model, parts, _vendor(card)),
        health=_health(card),
        whole=None if whole is None else whole.left > 0,
        left=tuple(stock.left for stock in stocks.values()),
        vgpu=classes.index(orc.VGPU) if orc.VGPU in classes else None,
    )


def _limit(rc: str, stock: hosts.Stock) -> int | None:
    """Tell how many of a class one guest may have, None for all."""
    if rc == model.SESSION_CLASS:
        return 1
    return stock.max_unit if stock.max_unit < stock.capacity else None


def _vendor(card: hosts.Provider) -> str:
    is_nvidia = any(trait.startswith(_NVIDIA_ID) for trait in card.traits)
    return one_guest.NVIDIA if is_nvidia else ''


def _series(card: hosts.Provider, rc: str) -> str:
    """Read the series of NVIDIA's vGPUs from what their class is called.

    The class VGPU stands for the profile that the card has a trait of.
    """
    if not _vendor(card):
        return ''
    words = card.traits if rc == orc.VGPU else (rc,)
    found = (_SERIES.search(w) for w in words if _PROFILE.match(w))
    return next((match[1] for match in found if match), '')


def _health(card: hosts.Provider) -> summary.Health:
    if trait_names.MISSING in card.traits:
        return summary.Health.MISSING
    if trait_names.QUARANTINED in card.traits:
        return summary.Health.QUARANTINED
    return summary.Health.OK
