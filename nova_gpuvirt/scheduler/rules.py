"""Why a choice can't be had of a host's GPUs, where Placement can't tell.

Each rule is a pure function of the host's view, of what the choice takes and
of the request, and answers with a reason or None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nova_gpuvirt.cards import one_guest
from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import view as view_

_HEALTH = {
    summary.Health.QUARANTINED: 'is quarantined: see the log of nova-compute',
    summary.Health.MISSING: 'is missing from its host',
}


def is_healthy(view: view_.View, parts: view_.Parts) -> str | None:
    """Refuse what is on a card that is sick or gone."""
    for part in parts:
        for card, _, _ in view.touched(part):
            if card.health is not summary.Health.OK:
                return f'{card.device} {_HEALTH[card.health]}'
    return None


def is_left(view: view_.View, parts: view_.Parts) -> str | None:
    """Refuse what Placement still has and the host has not any more."""
    for part in parts:
        sets = view.sets.get(part.provider)
        if sets is not None:
            free = len(sets.free.get(part.resource_class, ()))
            if part.units > free:
                return (
                    f'{free} of {part.resource_class} are left, '
                    f'{part.units} are wanted'
                )
            continue
        card = view.cards[part.provider]
        left = cards.room(card, part.resource_class)
        if part.units > left:
            return (
                f'{card.device} has {left} of {part.resource_class} left, '
                f'{part.units} are wanted'
            )
    return None


def holds_together(view: view_.View, parts: view_.Parts) -> str | None:
    """Refuse two offers of one card that exclude each other."""
    now: dict[str, summary.Card] = {}
    offers: dict[str, list[str]] = {}
    for part in parts:
        for card, rc, count in view.touched(part):
            card = now.get(card.provider, card)
            listed = offers.setdefault(card.provider, [])
            listed.append(part.resource_class)
            if count > cards.room(card, rc):
                return f'{card.device} can not be ' + ' and '.join(listed)
            now[card.provider] = cards.take(card, rc, count)
    return None


def _held(card: summary.Card, rc: str, count: int) -> one_guest.Held:
    index = card.part(rc)
    whole = one_guest.Held(
        card.device, card.layout.vendor, card.layout.model, count
    )
    if index is None:
        return whole
    part = card.layout.parts[index]
    return dataclasses.replace(
        whole,
        way=part.way,
        per_card=part.per_card,
        per_guest=part.per_guest,
        series=part.series,
    )


def is_for_one_guest(view: view_.View, parts: view_.Parts) -> str | None:
    """Refuse what one guest may not have together, or not so often."""
    held = []
    for part in parts:
        for card, rc, count in view.touched(part):
            held.append(_held(card, rc, count))
    return one_guest.refusal(held)


Rule = Callable[[view_.View, view_.Parts], str | None]

RULES: tuple[Rule, ...] = (
    is_healthy,
    is_left,
    holds_together,
    is_for_one_guest,
)


def refusal(view: view_.View, parts: view_.Parts) -> str | None:
    """Tell why a choice can't be had, None where it can."""
    if view.effect(parts).fits:
        return None
    for rule in RULES:
        reason = rule(view, parts)
        if reason is not None:
            return reason
    return None
