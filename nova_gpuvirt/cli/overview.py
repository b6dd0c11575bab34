"""All cards of a host as a table, and what below it wants a word. Pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt import paragraph
from nova_gpuvirt.cards import census
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import reasons
from nova_gpuvirt.cli import cells
from nova_gpuvirt.cli import sizes

COLUMNS = (
    'Address',
    'GPU',
    'Driver',
    'NUMA',
    'IOMMU',
    'Companions',
    'VFs',
    'PGPU',
    'VGPU',
    'VGPU is',
    'Profiles',
    'Sessions',
    'Sets',
    'Not whole because',
    'Not offered because',
)
"""What is known of each card."""

PARTS = 'Parts'
"""VGPU, profiles and sessions in few words, for people alone."""

SHORT = ('Address', 'GPU', 'NUMA', 'PGPU', PARTS, 'Sets')
"""What fits a terminal."""

NOT_OFFERED = 'Not offered'
NOT_WHOLE = 'Not whole'
NOT_IN_PARTS = 'Not in parts'
NOT_IN_SETS = 'Not in sets'

_MARGIN = '  '


def rows(host: discovery.Host) -> Iterator[dict[str, Any]]:
    """Lay the cards of a host out, by column."""
    sets = census.sets_of(host)
    for gpu in host.gpus:
        yield row(host, gpu, sets.get(gpu.address, ()))
    for address, reason in host.unreadable.items():
        yield {
            **dict.fromkeys((*COLUMNS, PARTS), cells.Maybe(None)),
            'Address': str(address),
            'GPU': '',
            'Companions': cells.Lines([]),
            'Profiles': cells.Cell({}, ''),
            'Sets': cells.Cell({}, ''),
            'Not whole because': cells.Lines([]),
            'Not offered because': cells.Lines([reason]),
        }


def row(
    host: discovery.Host, gpu: model.Gpu, sets: Collection[model.CardSet]
) -> dict[str, Any]:
    """Lay one card out, by column.

    :param sets: those that it is in
    """
    function = gpu.function
    companions = [str(f.address) for f in gpu.companions]
    return {
        'Address': str(gpu.address),
        'GPU': gpu.name,
        'Driver': cells.Maybe(function and function.driver),
        'NUMA': cells.Maybe(function and function.numa_node),
        'IOMMU': cells.Maybe(function and function.iommu_group),
        'Companions': cells.Lines(companions),
        'VFs': cells.Maybe(function and len(function.virtfns)),
        **_offers(gpu),
        'Sets': _sets(sets),
        'Not whole because': cells.Lines(reasons.not_whole(gpu)),
        'Not offered because': cells.Lines(
            reasons.not_offered(gpu)
            + [f'not in sets: {why}' for why in _not_in_sets(host, gpu)]
        ),
    }


def notes(host: discovery.Host, width: int) -> str:
    """Tell what of the cards is not as it could be, each reason once.

    That a card is shared, and so not given whole, is as it should be.
    """
    sets = census.sets_of(host)
    by_title: dict[str, dict[str, list[str]]] = {}
    for gpu in host.gpus:
        for title, reason in why_not(host, gpu, sets.get(gpu.address, ())):
            if title == NOT_WHOLE and reasons.is_shared_instead(gpu):
                continue
            same = reason.replace(str(gpu.address), 'ADDRESS')
            cards = by_title.setdefault(title, {}).setdefault(same, [])
            cards.append(str(gpu.address))
    for address, reason in host.unreadable.items():
        unreadable = by_title.setdefault(NOT_OFFERED, {})
        unreadable.setdefault(reason, []).append(str(address))
    return '\n'.join(
        told(title, list(map(_of_cards, found, found.values())), width)
        for title, found in sorted(by_title.items())
    )


def why_not(
    host: discovery.Host, gpu: model.Gpu, sets: Collection[model.CardSet]
) -> Iterator[tuple[str, str]]:
    """Tell what is not offered of a card, and why.

    :param sets: those that it is in
    """
    any_of_it = census.kinds(gpu, in_sets=bool(sets))
    for reason in reasons.not_offered(gpu):
        yield NOT_IN_PARTS if any_of_it else NOT_OFFERED, reason
    for reason in reasons.not_whole(gpu):
        yield NOT_WHOLE, reason
    for reason in _not_in_sets(host, gpu):
        yield NOT_IN_SETS, reason


def told(title: str, sentences: Sequence[str], width: int) -> str:
    """Write sentences below a title."""
    return '\n'.join(
        [
            f'{title}:',
            *(
                paragraph.fill(x, _MARGIN, 2 * _MARGIN, width)
                for x in sentences
            ),
        ]
    )


def _not_in_sets(host: discovery.Host, gpu: model.Gpu) -> list[str]:
    """Tell why a card is in no set though it has a fabric."""
    return [
        why
        for fabric in host.fabrics
        for card, why in fabric.reasons.items()
        if card == gpu.address
    ]


def _of_cards(reason: str, addresses: Sequence[str]) -> str:
    if len(addresses) == 1:
        reason = reason.replace('ADDRESS', addresses[0])
    return f'{", ".join(addresses)}: {reason}'


def _sets(found: Iterable[model.CardSet]) -> cells.Cell:
    """Gather sets by class, the small ones first; people read the sizes."""
    by_class: dict[str, list[str]] = {}
    for cards in sorted(found, key=lambda s: (len(s.cards), s)):
        by_class.setdefault(cards.resource_class, []).append(
            str(model.Slot(model.SET, cards))
        )
    text = ', '.join(
        rc.rpartition('_')[2] + (f' ({len(sets)}x)' if len(sets) > 1 else '')
        for rc, sets in by_class.items()
    )
    return cells.Cell(by_class, text)


def _offers(gpu: model.Gpu) -> dict[str, Any]:
    """Fill the columns from PGPU to Sessions."""
    default = default_profile.of(gpu, ())
    free = {
        offer.resource_class: offer.count
        for offer in offers.offers(gpu, (), default)
    }
    whole = free.pop(orc.PGPU, None)
    vgpus = free.pop(orc.VGPU, None)
    sessions = free.pop(model.SESSION_CLASS, None)
    return {
        'PGPU': cells.Maybe(whole),
        'VGPU': cells.Maybe(vgpus),
        'VGPU is': cells.Maybe(default.slug if default else None),
        'Profiles': cells.Cell(free, str(len(free) or '')),
        'Sessions': cells.Maybe(sessions),
        PARTS: cells.Lines(list(_parts(gpu, default, free, vgpus, sessions))),
    }


def _parts(
    gpu: model.Gpu,
    default: model.Profile | None,
    free: Mapping[str, int],
    vgpus: int | None,
    sessions: int | None,
) -> Iterator[str]:
    """Tell the default profile, and how many others there are, of what sizes.

    :param free: what is left of each profile's class
    """
    if default is not None:
        yield f'{vgpus} {default.slug}'
    others = [
        p
        for p in gpu.profiles
        if p.resource_class in free and p is not default
    ]
    if others:
        left = [p for p in others if free[p.resource_class]]
        count = str(len(left))
        if left != others:
            count += f' of {len(others)}'
        noun = 'other' if default else 'profile'
        plural = 's' if len(others) > 1 else ''
        span = sizes.span(left)
        yield f'{count} {noun}{plural}' + (f', {span}' if span else '')
    if sessions is not None:
        yield f'{sessions} sessions'
