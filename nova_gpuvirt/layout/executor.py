"""Take the steps of cards, each looked at before and after.

A card is asked anew after each step, and the next one is what is missing
then: drivers do more than they are asked for, and other programs too.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.layout import planner
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import steps
from nova_gpuvirt.layout import wish as wish_

LOG = logging.getLogger(__name__)

# A step may undo another one once, where a driver does more than it was asked
# for.
_MOST = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a card's steps.

    :ivar done: what was done, in order
    :ivar failed: why no more was, None where all is done
    :ivar user: who has the card, so that the rest waits, None for nobody
    :ivar waiting: the steps that wait for that
    :ivar impossible: what no step brings about
    """

    done: tuple[str, ...] = ()
    failed: str | None = None
    user: str | None = None
    waiting: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()

    @property
    def is_as_wished(self) -> bool:
        """Tell whether the card is what it shall be."""
        return not (self.failed or self.waiting or self.impossible)


class Executor:
    """Make cards what they shall be.

    :param read: asks a card what it is
    :param used_by: tells who has a card so that no step can be taken, None
        for nobody
    """

    def __init__(
        self,
        root: rootonly.Rootly,
        read: Callable[[model.PciAddress], state_.State],
        used_by: Callable[[model.PciAddress], str | None],
    ) -> None:
        self._root = root
        self._read = read
        self._used_by = used_by

    def apply(self, address: model.PciAddress, wish: wish_.Wish) -> Outcome:
        """Take the steps of one card, as far as they can be taken now.

        What goes wrong is told of it: another card's are not its.
        """
        done: list[str] = []
        try:
            return self._apply(address, wish, done)
        except Exception as error:
            return Outcome(tuple(done), failed=str(error))

    def _apply(
        self, address: model.PciAddress, wish: wish_.Wish, done: list[str]
    ) -> Outcome:
        state = self._read(address)
        taken: Counter[str] = Counter()
        while True:
            plan = planner.plan(state, wish)
            if not plan.steps:
                return Outcome(tuple(done), impossible=plan.impossible)
            step = plan.steps[0]
            user = self._used_by(address)
            if user is not None:
                return Outcome(
                    tuple(done),
                    user=user,
                    waiting=tuple(map(str, plan.steps)),
                    impossible=plan.impossible,
                )
            taken[str(step)] += 1
            if taken[str(step)] > _MOST:
                raise exception.StepFailed(
                    str(address),
                    wanted='to come to an end',
                    found=f'that it is time to {step} once more',
                    remedy='see the kernel log for what undoes it',
                )
            self._take(address, step)
            state = self._read(address)
            if not step.is_done(state):
                raise _failed(address, step, _found(step, state))
            done.append(str(step))
            LOG.info('%s: %s: done', address, step)

    def _take(self, address: model.PciAddress, step: steps.Step) -> None:
        try:
            step.take(self._root, str(address))
        except (OSError, commands.CommandFailed) as error:
            raise _failed(address, step, str(error)) from error


def _failed(
    address: model.PciAddress, step: steps.Step, found: str
) -> exception.StepFailed:
    return exception.StepFailed(
        str(address),
        wanted=f'to {step}',
        found=found,
        remedy='see the kernel log, and "nova-gpuvirt plan" for what is left',
    )


def _found(step: steps.Step, state: state_.State) -> str:
    """Say what a card is after a step that was done without a word."""
    if isinstance(step, steps.SetMig) and state.mig_pending is step.wanted:
        return (
            'that it waits for a reset of the card, which a process had open: '
            'nvidia-smi --gpu-reset'
        )
    for name, why in state.unknown.items():
        return f'no answer whether it is so: {name}: {why}'
    return f'that it is not so: {_said(state)}'


def _said(state: state_.State) -> str:
    return ', '.join(
        f'{field.name} {getattr(state, field.name)}'
        for field in dataclasses.fields(state)
        if field.repr
        and getattr(state, field.name) not in (None, (), {}, frozenset())
    )
