"""When signs make a card sick, and when it is well again.

A grave sign makes it sick at once, and others when they were seen in as many
looks as configured. It is well again after as many looks in a row without any
sign, and only then the looks with signs before are forgotten: so a card whose
sign comes and goes is sick too. A look that has no answer changes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nova_gpuvirt.health import signs as signs_


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What a card is, and the looks that count for it to change.

    :ivar with_signs: looks with signs since it was last well
    :ivar without: the last looks in a row that had none
    """

    is_sick: bool = False
    with_signs: int = 0
    without: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Hysteresis:
    """How many looks it takes.

    :param sick_after: looks with a sign that is not grave
    :param well_after: looks in a row without any sign
    """

    sick_after: int
    well_after: int

    def __post_init__(self) -> None:
        if self.sick_after < 1 or self.well_after < 1:
            raise ValueError('a card changes after one look at least')

    def after(
        self, state: State, signs: Sequence[signs_.Sign] | None
    ) -> State:
        """Tell what a card is after another look.

        :param signs: None when it is not known whether there are any
        """
        if signs is None:
            return state
        if signs:
            count = min(state.with_signs + 1, self.sick_after)
            is_sick = (
                state.is_sick
                or count == self.sick_after
                or any(sign.is_grave for sign in signs)
            )
            return State(is_sick, count)
        without = state.without + 1
        if without >= self.well_after:
            return State()
        return State(state.is_sick, state.with_signs, without)
