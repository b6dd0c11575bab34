"""Make cards what their layout says where no nova-compute runs.

What servers have claimed is nova-compute's to know. So a card that one has
made something is made that again, and nothing else: the file may say
otherwise by now, and then it is nova-compute's turn.
"""

from __future__ import annotations

import dataclasses

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
    """

    def __init__(
        self, doer: executor.Executor, made: in_force.InForce, knows: bool
    ) -> None:
        self._doer = doer
        self._made = made
        self._knows = knows

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
        except exception.InvalidRecord as error:
            return executor.Outcome(failed=str(error))
        if made is None and not self._knows and self._made.is_in_use:
            why = _UNSEEN if steps else None
            return executor.Outcome(
                user=why, waiting=steps, impossible=card.plan.impossible
            )
        left = why_left(card, made)
        if made is None or left is None:
            return self._doer.apply(card.gpu.address, wish)
        outcome = executor.Outcome()
        if not made.changes_nothing:
            outcome = self._doer.apply(card.gpu.address, made)
        if outcome.is_as_wished and steps:
            return dataclasses.replace(outcome, user=left, waiting=steps)
        return outcome


def why_left(card: survey.Card, made: wish_.Wish | None) -> str | None:
    """Tell why what is wished of a card is left to nova-compute, if it is.

    :param made: what the card was made to be last
    """
    possible = card.plan.possible or card.wish
    if made is None or made.modes in (card.wish.modes, possible.modes):
        return None
    return _LEFT
