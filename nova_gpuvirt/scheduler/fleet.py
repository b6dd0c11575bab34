"""The GPUs of all hosts, as their summaries tell of them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping

from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import demand as demand_
from nova_gpuvirt.scheduler import view as view_

LOG = logging.getLogger(__name__)

# What requests are typical changes slowly.
_SECONDS = 60.0


class Fleet:
    """What each host last told, read once.

    :param typical: the typical requests and how often each comes; those that
        run now, where there are none
    """

    def __init__(
        self,
        typical: Mapping[summary.Request, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._typical = typical
        self._clock = clock
        self._views: dict[str, tuple[str, view_.View | None]] = {}
        self._running: dict[str, Counter[summary.Request]] = {}
        self._layouts: dict[summary.Layout, None] = {}
        self._demand = demand_.Demand(typical, ())
        self._hosts = 0
        self._next = 0.0

    def view(self, host: str, text: str | None) -> view_.View | None:
        """Read what a host tells.

        :param host: the UUID of its compute node
        :param text: its summary, None where it has none
        :return: None where nothing is told that this version can read
        """
        if text is None:
            return None
        before = self._views.get(host)
        if before is not None and before[0] == text:
            view = before[1]
            if view is None or view.demand is self._demand:
                return view
            told = view.summary
        else:
            try:
                told = summary.load(text)
            except summary.Unreadable as error:
                LOG.warning('The GPUs of host %s are unknown: %s', host, error)
                self._views[host] = text, None
                return None
            self._learn(host, told)
        view = view_.View(told, self._demand)
        self._views[host] = text, view
        return view

    def _learn(self, host: str, told: summary.Summary) -> None:
        layouts = {card.layout: None for card in told.cards}
        is_new = not layouts.keys() <= self._layouts.keys()
        self._layouts |= layouts
        self._running[host] = Counter(dict(told.running))
        # The first hosts that are read may not be as the others are.
        is_due = not self._typical and (
            len(self._running) >= 2 * self._hosts
            or self._clock() >= self._next
        )
        if is_new or is_due:
            self._hosts = len(self._running)
            self._next = self._clock() + _SECONDS
            running: Counter[summary.Request] = Counter()
            for each in [*self._running.values()]:
                running.update(each)
            self._demand = demand_.Demand(
                self._typical or running, self._layouts
            )
