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
from collections.abc import Iterator

from nova import objects
from nova.scheduler import filters
from nova.scheduler import host_manager

from nova_gpuvirt import exception
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import numa
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
        try:
            near = numa.nearness(view, host_state, spec_obj)
        except exception.InvalidOption as error:
            LOG.error('Flavor %s: %s', spec_obj.flavor.name, error)
            return False
        refused = {
            parts: reason
            for parts in dict.fromkeys(parts for parts, _ in choices)
            if (reason := _refusal(view, near, parts)) is not None
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
        rank = _Ranking(view, near, host_state, spec_obj)
        host_state.allocation_candidates = [
            each for _, each in sorted(left, key=rank)
        ]
        state.GpuHostState.of(host_state, view, near)
        return bool(left)


def _refusal(
    view: view_.View, near: numa.Nearness | None, parts: view_.Parts
) -> str | None:
    reason = rules.refusal(view, parts)
    if reason is None and near is not None:
        reason = near.refusal(parts)
    return reason


class _Ranking:
    """The order of a host's candidates: the best one first.

    What was handed out a moment ago is the last choice, not none: the
    build may have failed. What is far from where the guest can be comes
    before that.
    """

    def __init__(
        self,
        view: view_.View,
        near: numa.Nearness | None,
        host_state: host_manager.HostState,
        spec_obj: objects.RequestSpec,
    ) -> None:
        self._near = near
        pending = [*state.HANDED_OUT.pending(view.summary)]
        self._view = view.with_taken(pending) if pending else view
        self._scorer = state.scorer(self._view, host_state, spec_obj)
        self._known: dict[view_.Parts, tuple[bool, bool, float]] = {}

    def __call__(
        self, choice: tuple[view_.Parts, object]
    ) -> tuple[bool, bool, float, float]:
        parts, _ = choice
        if parts not in self._known:
            is_taken = rules.refusal(self._view, parts) is not None
            is_far = self._near is not None and self._near.is_far(parts)
            cost = round(self._scorer.cost(parts), 9)
            self._known[parts] = is_taken, is_far, cost
        return *self._known[parts], random.random()


def _named(parts: view_.Parts) -> Iterator[str]:
    for part in parts:
        yield f'{part.count} {part.resource_class} of {part.provider}'
