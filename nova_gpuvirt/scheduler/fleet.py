"""The cards of all hosts, as their summaries tell of them."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping

from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import demand as demand_
from nova_gpuvirt.scheduler import view as view_

LOG = logging.getLogger(__name__)

# What requests are typical changes slowly.
_SECONDS = 60.0
# A host that was offered for no request in so long is taken for gone. A full
# one may be offered as rarely, and is read again when it has room.
_GONE_SECONDS = 24 * 3600.0


@dataclasses.dataclass(slots=True)
class _Host:
    """What a host told last.

    :ivar seen: when a request was last offered it; it alone changes
    :ivar told: what it told, None if that can't be read
    :ivar view: how it is seen
    :ivar running: how many instances with GPUs it has, by shape
    """

    text: str
    seen: float
    told: summary.Summary | None = None
    view: view_.View | None = None
    running: Counter[summary.Request] = dataclasses.field(
        default_factory=Counter
    )
    layouts: tuple[summary.Layout, ...] = ()


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
                known.seen = self._clock()
                return view
        with self._lock:
            return self._read(host, text)

    def _read(self, host: str, text: str) -> view_.View | None:
        known = self._hosts.get(host)
        if known is None or known.text != text:
            self._hosts.pop(host, None)
            known = _load(host, text, self._clock())
            if known.told is not None:
                self._learn(known)
        # Another thread may have read it meanwhile.
        elif known.view is None or known.view.demand is self._demand:
            return known.view
        told = known.told
        view = None if told is None else view_.View(told, self._demand)
        # Nobody finds it before it is complete.
        self._hosts[host] = dataclasses.replace(known, view=view)
        return view

    def _learn(self, read: _Host) -> None:
        """Count again what is typical, if it is time, without hosts gone."""
        is_new = not self._layouts.keys() >= {*read.layouts}
        # The first hosts that are read may not be as the others are.
        is_due = (
            len(self._hosts) + 1 >= 2 * self._counted
            or read.seen >= self._next
        )
        if not is_new and not is_due:
            return
        oldest = read.seen - _GONE_SECONDS
        self._hosts = {
            host: known
            for host, known in self._hosts.items()
            if known.seen > oldest
        }
        hosts = [*self._hosts.values(), read]
        self._counted = len(hosts)
        self._next = read.seen + _SECONDS
        layouts = dict.fromkeys(
            itertools.chain.from_iterable(each.layouts for each in hosts)
        )
        if self._typical and layouts.keys() == self._layouts.keys():
            return
        running: Counter[summary.Request] = Counter()
        for each in hosts:
            running.update(each.running)
        self._layouts = layouts
        self._demand = demand_.Demand(self._typical or running, layouts)


def _load(host: str, text: str, now: float) -> _Host:
    """Read what a host tells; log it if that can't be done."""
    try:
        told = summary_text.load(text)
    except summary_text.Unreadable as error:
        LOG.warning('The GPUs of host %s are unknown: %s', host, error)
        return _Host(text, now)
    return _Host(
        text,
        now,
        told,
        running=Counter(dict(told.running)),
        layouts=tuple(dict.fromkeys(card.layout for card in told.cards)),
    )
