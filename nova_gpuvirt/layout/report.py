"""Plans and outcomes, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt import paragraph
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import survey

# Below the name of a card.
_INDENT = ('  ', '     ')


def plan(
    cards: Collection[survey.Card],
    unused: Collection[document.Entry],
    users: Mapping[model.Device, str],
) -> str:
    """Say what each card is not, and what would be done.

    :param users: who has a card, whose steps wait for that
    """
    told = [(card, _plan(card, users.get(card.gpu.address))) for card in cards]
    return '\n'.join((*_grouped(told), *_unused(unused)))


def _plan(card: survey.Card, user: str | None) -> tuple[str, ...]:
    lines = []
    if card.wish.left_alone:
        lines.append('it is left alone')
    elif card.unreadable is not None:
        lines.append(f'can not be looked at: {card.unreadable}')
    elif card.plan.is_nothing:
        lines.append('is as it shall be')
    if user is not None and card.plan.steps:
        lines.append(f'waits: {user}')
    for number, (step, lost) in enumerate(
        zip(card.plan.steps, card.plan.loses, strict=True), 1
    ):
        loss = f' (lost: {lost})' if lost else ''
        lines.append(f'{number}. {step}{loss}')
    lines += (f'can not be: {why}' for why in card.plan.impossible)
    return tuple(lines)


def outcomes(
    found: Collection[tuple[survey.Card, executor.Outcome]],
    unused: Collection[document.Entry],
) -> str:
    """Say what was done."""
    told = [(card, _outcome(outcome)) for card, outcome in found]
    return '\n'.join((*_grouped(told), *_unused(unused)))


def _outcome(outcome: executor.Outcome) -> tuple[str, ...]:
    lines = [f'done: {step}' for step in outcome.done]
    if outcome.is_as_wished and not outcome.done:
        lines.append('is as it shall be')
    if outcome.failed is not None:
        lines.append(f'FAILED: {outcome.failed}')
    if outcome.user is not None:
        lines.append(f'waits: {outcome.user}')
    lines += (f'to be done: {step}' for step in outcome.waiting)
    lines += (f'can not be: {why}' for why in outcome.impossible)
    return tuple(lines)


def _grouped(
    told: Collection[tuple[survey.Card, tuple[str, ...]]],
) -> Iterator[str]:
    """Say once what is said of several cards of a model."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for card, lines in told:
        groups.setdefault((card.gpu.name, lines), []).append(
            str(card.gpu.address)
        )
    for (name, lines), addresses in groups.items():
        yield from paragraph.lines(f'{" ".join(addresses)} {name}')
        for line in lines:
            yield from paragraph.lines(line, *_INDENT)


def _unused(entries: Collection[document.Entry]) -> Iterator[str]:
    for entry in entries:
        yield from paragraph.lines(f'{entry.selects_none.capitalize()}.')
