"""What the cards of a host are, remembered for a while.

A vendor's command takes seconds, and what a card is made to be changes with
what sysfs shows of it, or by hand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import steps as steps_
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import wish as wish_

# For how many seconds a card is not asked again.
_FRESH = 600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a card, for a wish.

    :ivar steps: what has to be done
    :ivar impossible: what no step brings about
    :ivar later: the same, where it may be otherwise later
    :ivar possible: what the card is when all steps were taken, None where
        that is not known
    :ivar is_bare: whether it has nothing that a layout makes
    """

    steps: tuple[steps_.Step, ...]
    impossible: tuple[str, ...]
    later: str | None
    possible: wish_.Wish | None
    is_bare: bool

    @property
    def is_done(self) -> bool:
        """Tell whether the card is as far as it can be."""
        return not self.steps and self.later is None

    def is_for(self, wish: wish_.Wish, made: wish_.Wish) -> bool:
        """Tell whether what was made of a card is what is wished of it.

        :param wish: that of this look
        """
        possible = wish if self.possible is None else self.possible
        return made.modes in (wish.modes, possible.modes)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """A look, when it was taken, and what sysfs showed then."""

    look: Look
    time: float
    shown: tuple[str | None, int]


class Looks:
    """The looks at the cards of a host, by what is wished of them."""

    def __init__(
        self, machine: machine_.Machine, clock: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._kept: dict[tuple[model.Device, wish_.Wish], _Kept] = {}

    def at(self, gpu: model.Gpu, wish: wish_.Wish) -> Look:
        """Ask a card what it is, unless that was seen a moment ago.

        :raises StepFailed: when the card can't be read
        """
        key, shown = (gpu.address, wish), _shown(gpu)
        kept = self._kept.pop(key, None)
        if (
            kept is None
            or kept.shown != shown
            or kept.look.later is not None
            or self._clock() >= kept.time + _FRESH
        ):
            kept = _Kept(self._look(gpu, wish), self._clock(), shown)
        self._kept[key] = kept
        return kept.look

    def last(self, device: model.Device, wish: wish_.Wish) -> Look | None:
        """Give the last look at a card, None where it will be asked again."""
        kept = self._kept.get((device, wish))
        return None if kept is None else kept.look

    def forget(self, device: model.Device, wish: wish_.Wish) -> None:
        """Let a card be asked again."""
        self._kept.pop((device, wish), None)

    def _look(self, gpu: model.Gpu, wish: wish_.Wish) -> Look:
        card = survey.look(self._machine, gpu, wish)
        if card.unreadable is not None:
            raise exception.StepFailed(
                str(gpu.address),
                wanted='to make it what the layout says',
                found=card.unreadable,
                remedy='see `nova-gpuvirt plan`',
            )
        impossible = card.plan.impossible
        return Look(
            card.plan.steps,
            impossible,
            '; '.join(impossible) if card.may_be_later else None,
            card.plan.possible,
            not (card.state.vfs or card.state.gpu_instances),
        )


def _shown(gpu: model.Gpu) -> tuple[str | None, int]:
    """Tell what sysfs shows of a card, which changes with most steps."""
    driver = gpu.function.driver if gpu.function else None
    return driver, len(gpu.virtfns)
