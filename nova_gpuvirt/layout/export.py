"""The document that describes a host as it is. Pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

import yaml

from nova_gpuvirt import paragraph
from nova_gpuvirt.layout import survey
from nova_gpuvirt.vendors import vf_quotas

_MIB = 1 << 20
_HEAD = '# What the GPUs of this host are, as they were found.'


def is_complete(cards: Collection[survey.Card]) -> bool:
    """Tell whether all is known that a document would say of these cards."""
    return not any(_unknown(card) for card in cards)


def export(cards: Collection[survey.Card]) -> str:
    """Write a document of which nothing would have to be done.

    Cards of one model that are the same have one entry. What could not be
    read is named in comments.
    """
    entries: dict[str, list[survey.Card]] = {}
    for card in cards:
        if card.unreadable is None and _modes(card):
            key = f'{card.gpu.name}\n{_modes(card)!r}'
            entries.setdefault(key, []).append(card)
    head = '\n'.join((_HEAD, *_comments(cards), 'version: 1\n'))
    if not entries:
        return f'{head}cards: []\n'
    return head + 'cards:\n' + ''.join(map(_entry, entries.values()))


def _comments(cards: Collection[survey.Card]) -> Iterator[str]:
    for card in cards:
        if why := _unknown(card):
            text = f'{card.gpu.address} {card.gpu.name}: {why}'
            yield from paragraph.lines(_one_line(text), '# ', '#   ')


def _unknown(card: survey.Card) -> str | None:
    """Say what of a card could not be read, and why."""
    if card.unreadable is not None:
        return f'it can not be read: {card.unreadable}'
    names: dict[str, list[str]] = {}
    for name, why in card.state.unknown.items():
        names.setdefault(why, []).append(name)
    told = (f'{", ".join(of)}: {why}' for why, of in names.items())
    return f'not known are {"; ".join(told)}' if names else None


def _one_line(text: str) -> str:
    """Leave out what ends a comment, and what YAML does not take."""
    return ''.join(c if c.isprintable() else ' ' for c in text)


def _entry(cards: list[survey.Card]) -> str:
    addresses = [str(card.gpu.address) for card in cards]
    text = yaml.safe_dump(
        [{'select': {'address': addresses}, **_modes(cards[0])}],
        sort_keys=False,
        default_flow_style=None,
        width=79,
    )
    return f'# {_one_line(cards[0].gpu.name)}\n{text}'


def _can_be_wished(size: int) -> bool:
    return size > 0 and not size % vf_quotas.MEMORY_UNIT


def _modes(card: survey.Card) -> dict[str, Any]:
    state = card.state
    modes: dict[str, Any] = {}
    if state.total_vfs:
        modes['vfs'] = 'all' if state.vfs == state.total_vfs else state.vfs
    if state.mig:
        modes['mig'] = [
            f'{i.name or i.profile}:{i.start}' for i in state.gpu_instances
        ]
        mixed = {
            i.number in state.mixed_instances
            for i in state.gpu_instances
            if i.number in (state.shared_instances or ())
        }
        if len(mixed) == 1:
            modes['mixed_sizes'] = mixed.pop()
    else:
        if state.mig is False:
            modes['mig'] = False
        if state.mixed_sizes is not None:
            modes['mixed_sizes'] = state.mixed_sizes
    if state.memory_mode is not None:
        modes['memory_mode'] = state.memory_mode
    if state.partition is not None:
        modes['partition'] = state.partition
    quotas = {state.vf_memory.get(n, 0) for n in range(1, 1 + state.vfs)}
    if len(quotas) == 1 and _can_be_wished(size := quotas.pop()):
        modes['vf_memory'] = f'{size // _MIB} MiB'
    return modes
