"""How good a choice is: lower costs win. Pure."""

from __future__ import annotations

import enum
import functools

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import view as view_

# Of choices that cost the same, the one on the fuller host wins.
_TIE = 1e-6


class Policy(enum.Enum):
    """What a choice shall spare.

    Room for typical requests; hosts and cards that are empty; or those that
    are busy.
    """

    FIT = 'fit'
    PACK = 'pack'
    SPREAD = 'spread'


class Scorer:
    """The costs of the choices that one request has on one host.

    :param left: the CPUs and the MiB of memory that the host has left
    :param wanted: the CPUs and the MiB that the request takes
    """

    def __init__(
        self,
        policy: Policy,
        view: view_.View,
        left: tuple[float, float],
        wanted: tuple[float, float],
    ) -> None:
        self._policy = policy
        self._view = view
        self._left = left
        self._then = left[0] - wanted[0], left[1] - wanted[1]

    @functools.cached_property
    def _before(self) -> float:
        view = self._view
        return view.demand.value(view.usable, *self._left)

    def cost(self, parts: view_.Parts) -> float:
        """Tell what a choice costs, in cards.

        With `Policy.FIT` it is how much less of the host's GPUs typical
        requests could use, beyond what the choice itself takes.

        :param parts: what it takes of the host's GPUs
        """
        usable, taken = self._view.after(parts)
        left = self._view.cards_left - taken
        if self._policy is Policy.FIT:
            after = self._view.demand.value(usable, *self._then)
            return self._before - after - taken + _TIE * left
        busy = left + self._mean_left(parts)
        return busy if self._policy is Policy.PACK else -busy

    def _mean_left(self, parts: view_.Parts) -> float:
        """Tell how much is left of the cards that a choice is on."""
        unused = [
            card.unused
            for part in parts
            for card, _, _ in self._view.touched(part)
        ]
        return sum(unused) / (summary.CARD * len(unused)) if unused else 0.0
