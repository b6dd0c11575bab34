"""Whether the cards are what the host's layout says."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.layout import survey


def is_followed(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Ask each card what it is, where there is a layout."""
    file = subject.layout
    if file.instead is not None:
        yield file.instead
        return
    cards = survey.survey(subject.machine, subject.cards.gpus, file.layout)
    others = [card for card in cards if not card.is_as_wished]
    for card in others:
        why = card.unreadable or '; '.join(
            (*map(str, card.plan.steps), *card.plan.impossible)
        )
        yield finding.warning(
            f'it is not what the layout says: {why}',
            'see nova-gpuvirt plan, and what nova-compute logs of it',
            card.gpu.address,
        )
    unused = file.layout.unused(subject.cards.gpus)
    for entry in unused:
        yield finding.warning(
            entry.selects_none,
            'see the addresses and models in nova-gpuvirt discover; a file '
            'for several hosts may have such entries',
        )
    if not others and not unused:
        yield finding.passed('each card is what the layout says')
