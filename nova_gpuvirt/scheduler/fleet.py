"""The GPUs of all hosts, as their summaries tell of them."""

from __future__ import annotations

import dataclasses
import logging
import threading
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Host:
    """What a host told last, and how it is seen: None if it can't be read."""

    text: str
    view: view_.View | None


class Fleet:
    """What each host last told, read once.

    nova-scheduler serves requests in several threads. What was read is
    looked up without the lock, and replaced as a whole with it: only who
    holds it adds to a dictionary or iterates over one. What views and demand
    remember needs none: each entry is looked up or put there in one step,
    and of two threads that find the same either may keep it.

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
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._running: dict[str, Counter[summary.Request]] = {}
        self._layouts: dict[summary.Layout, None] = {}
        self._demand = demand_.Demand(typical, ())
        # Of how many hosts requests were counted, and when to do it again.
        self._counted = 0
        self._next = 0.0

    def view(self, host: str, text: str | None) -> view_.View | None:
        """Read what a host tells.

        :param host: the UUID of its compute node
        :param text: its summary, None where it has none
        :return: None where nothing is told that this version can read
        """
        if text is None:
            return None
        known = self._hosts.get(host)
        if known is not None and known.text == text:
            view = known.view
            if view is None or view.demand is self._demand:
                return view
        with self._lock:
            return self._read(host, text)

    def _read(self, host: str, text: str) -> view_.View | None:
        known = self._hosts.get(host)
        if known is not None and known.text == text:
            # Another thread may have read it meanwhile.
            if known.view is None or known.view.demand is self._demand:
                return known.view
            told = known.view.summary
        else:
            try:
                told = summary.load(text)
            except summary.Unreadable as error:
                LOG.warning('The GPUs of host %s are unknown: %s', host, error)
                self._hosts[host] = _Host(text, None)
                return None
            self._learn(host, told)
        view = view_.View(told, self._demand)
        self._hosts[host] = _Host(text, view)
        return view

    def _learn(self, host: str, told: summary.Summary) -> None:
        layouts = {card.layout: None for card in told.cards}
        is_new = not layouts.keys() <= self._layouts.keys()
        self._layouts |= layouts
        self._running[host] = Counter(dict(told.running))
        # The first hosts that are read may not be as the others are.
        is_due = not self._typical and (
            len(self._running) >= 2 * self._counted
            or self._clock() >= self._next
        )
        if is_new or is_due:
            self._counted = len(self._running)
            self._next = self._clock() + _SECONDS
            running: Counter[summary.Request] = Counter()
            for each in self._running.values():
                running.update(each)
            self._demand = demand_.Demand(
                self._typical or running, self._layouts
            )
