"""The filter that knows GPUs: enable it as ``GpuFilter``, after Nova's own.

In nova-scheduler's configuration::

    [filter_scheduler]
    available_filters = nova.scheduler.filters.all_filters
    available_filters = nova_gpuvirt.scheduler.filters.GpuFilter
    enabled_filters = …,GpuFilter
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator

from nova import objects
from nova.scheduler import filters
from nova.scheduler import host_manager

from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import rules
from nova_gpuvirt.scheduler import state
from nova_gpuvirt.scheduler import view as view_

LOG = logging.getLogger(__name__)


class GpuFilter(filters.BaseHostFilter):
    """Drop the candidates that can't be had, and put the best one first.

    Nova tries the first candidate of a host only. It stands aside where the
    host tells nothing of its GPUs, and where none are asked for.
    """

    RUN_ON_REBUILD = False

    def __init__(self) -> None:
        # An option that can't be meant ends nova-scheduler's start.
        state.fleet()

    def host_passes(
        self,
        host_state: host_manager.HostState,
        spec_obj: objects.RequestSpec,
    ) -> bool:
        """Order a host's candidates; False when none of them can be had."""
        view = state.view(host_state)
        if view is None or not host_state.allocation_candidates:
            return True
        choices = [
            (candidate.parts(each, view.providers), each)
            for each in host_state.allocation_candidates
        ]
        if not any(parts for parts, _ in choices):
            return True
        refused = {
            parts: reason
            for parts in dict.fromkeys(parts for parts, _ in choices)
            if (reason := rules.refusal(view, parts)) is not None
        }
        for parts, reason in refused.items():
            LOG.info(
                'Host %s, %s: %s',
                host_state.host,
                ', '.join(_named(parts)),
                reason,
                extra={'instance_uuid': spec_obj.instance_uuid},
            )
        left = [choice for choice in choices if choice[0] not in refused]
        rank = _Ranking(view, host_state, spec_obj)
        host_state.allocation_candidates = [
            each for _, each in sorted(left, key=rank)
        ]
        state.GpuHostState.of(host_state, view)
        return bool(left)


class _Ranking:
    """The order of a host's candidates: the best one first.

    What was handed out a moment ago is the last choice, not none: the build
    may have failed. Of several such, the one that fewest have comes first.
    """

    def __init__(
        self,
        view: view_.View,
        host_state: host_manager.HostState,
        spec_obj: objects.RequestSpec,
    ) -> None:
        pending = state.pending(view)
        self._handed_out = Counter(part.provider for part in pending)
        self._view = view.with_taken(pending)
        self._scorer = state.scorer(self._view, host_state, spec_obj)
        self._known: dict[view_.Parts, tuple[int, float]] = {}

    def __call__(
        self, choice: tuple[view_.Parts, object]
    ) -> tuple[int, float, float]:
        parts, _ = choice
        if parts not in self._known:
            cost = round(self._scorer.cost(parts), 9)
            self._known[parts] = self._takers(parts), cost
        return *self._known[parts], random.random()

    def _takers(self, parts: view_.Parts) -> int:
        """Count who has had a choice a moment ago, if it is taken by that."""
        if rules.refusal(self._view, parts) is None:
            return 0
        return sum(self._handed_out[part.provider] for part in parts)


def _named(parts: view_.Parts) -> Iterator[str]:
    for part in parts:
        yield f'{part.count} {part.resource_class} of {part.provider}'
