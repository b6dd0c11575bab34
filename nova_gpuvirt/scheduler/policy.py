"""How good a choice is by the operator's policy: lower costs win. Pure."""

from __future__ import annotations

import enum
import functools

from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import effects as effects_
from nova_gpuvirt.scheduler import host_value as host_value_
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

    :param view: the host's GPUs
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
        self._known = view.costs((policy, left, wanted))

    def cost(self, effect: effects_.Effect) -> float:
        """Tell what a choice costs, in cards.

        With `Policy.FIT` it is how much less of the host's GPUs typical
        requests could use, beyond what the choice itself takes.

        :param effect: what it does to the host's cards
        """
        cost = self._known.get(effect)
        if cost is None:
            cost = self._known[effect] = self._cost(effect)
        return cost

    def _cost(self, effect: effects_.Effect) -> float:
        taken = effect.taken / summary.CARD
        if self._policy is Policy.FIT:
            lost = self._before - self._value.after(effect.change)
            return lost - taken - _TIE * taken
        busy = self._view.unused / summary.CARD - taken
        busy += effect.unused / summary.CARD
        return busy if self._policy is Policy.PACK else -busy

    @functools.cached_property
    def _before(self) -> float:
        view = self._view
        return view.value(*self._left) + _TIE * view.unused / summary.CARD

    @functools.cached_property
    def _value(self) -> host_value_.HostValue:
        view = self._view
        return host_value_.HostValue(view.demand, view.usable, *self._then)
