"""Make cards what their layout says where no nova-compute runs.

What servers have claimed is nova-compute's to know. So a card that one has
made something is made that again, and nothing else: the file may say
otherwise by now, and then it is nova-compute's turn. So it is with a card that
a server has left dirty.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import wish as wish_

_LEFT = (
    'a server may have claimed something of it, which nova-compute knows: '
    'that makes it so when nobody has anything of it'
)
_UNSEEN = (
    'libvirt does not answer, which knows who has it, and nova-compute has '
    'made nothing of it before: that makes it so'
)


class Making:
    """Makes cards, and knows what they were made to be.

    :param knows: whether libvirt tells who has a card
    :param had: tells who has a card, or left it dirty, None for nobody
    """

    def __init__(
        self,
        doer: executor.Executor,
        made: in_force.InForce,
        knows: bool,
        had: Callable[[model.Device], str | None],
    ) -> None:
        self._doer = doer
        self._made = made
        self._knows = knows
        self._had = had

    def make(self, card: survey.Card) -> executor.Outcome:
        """Take the steps of one card, as far as they can be taken now."""
        if card.wish.changes_nothing:
            return executor.Outcome()
        if card.unreadable is not None:
            return executor.Outcome(failed=card.unreadable)
        assert isinstance(card.gpu.address, model.PciAddress)
        steps = tuple(map(str, card.plan.steps))
        try:
            wish, made = card.wish, self._made.of(card.gpu)
            had = self._had(card.gpu.address)
        except exception.InvalidRecord as error:
            return executor.Outcome(failed=str(error))
        unseen = not self._knows and self._made.is_in_use
        if made is None and (had or unseen):
            why = (had or _UNSEEN) if steps else None
            return executor.Outcome(
                user=why, waiting=steps, impossible=card.plan.impossible
            )
        left = why_left(card, made, had)
        if made is None or (left is None and had is None):
            return self._doer.apply(card.gpu.address, wish)
        outcome = executor.Outcome()
        if not made.changes_nothing:
            outcome = self._doer.apply(card.gpu.address, made)
        if left is None:
            impossible = outcome.impossible or card.plan.impossible
            return dataclasses.replace(outcome, impossible=impossible)
        if outcome.is_as_wished and steps:
            return dataclasses.replace(outcome, user=left, waiting=steps)
        return outcome


def why_left(
    card: survey.Card, made: wish_.Wish | None, had: str | None
) -> str | None:
    """Tell why what is wished of a card is left to nova-compute, if it is.

    :param made: what the card was made to be last
    :param had: who has it, or left it dirty
    """
    if made is None:
        return had
    possible = card.plan.possible or card.wish
    if made.modes in (card.wish.modes, possible.modes):
        return None
    return had or _LEFT
