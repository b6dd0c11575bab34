"""The filter that knows GPUs: enable it as ``GpuFilter``, after Nova's own.

In nova-scheduler's configuration::

    [filter_scheduler]
    available_filters = nova.scheduler.filters.all_filters
    available_filters = nova_gpuvirt.scheduler.filters.GpuFilter
    enabled_filters = …,GpuFilter
"""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Iterable
from collections.abc import Iterator

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.scheduler import filters
from nova.scheduler import host_manager
from nova.scheduler import utils

from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import candidate_order
from nova_gpuvirt.scheduler import effects
from nova_gpuvirt.scheduler import nearness
from nova_gpuvirt.scheduler import policy as policy_
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
        self._policy = state.policy()

    def filter_all(
        self,
        filter_obj_list: Iterable[host_manager.HostState],
        spec_obj: objects.RequestSpec,
    ) -> Iterator[host_manager.HostState]:
        """Filter hosts; what they have in common is looked at once."""
        if utils.request_is_rebuild(spec_obj):
            yield from filter_obj_list
            return
        asked = _Asked(self._policy, spec_obj)
        for host_state in filter_obj_list:
            if asked.passes(host_state):
                yield host_state

    def host_passes(
        self,
        host_state: host_manager.HostState,
        spec_obj: objects.RequestSpec,
    ) -> bool:
        """Order a host's candidates; False when none of them can be had."""
        return _Asked(self._policy, spec_obj).passes(host_state)


class _Asked:
    """One request, which looks at one host after the other."""

    def __init__(
        self, policy: policy_.Policy, spec_obj: objects.RequestSpec
    ) -> None:
        self._policy = policy
        self._spec = spec_obj
        self._wanted = spec_obj.vcpus, spec_obj.memory_mb

    @functools.cached_property
    def _numa_policy(self) -> extra_specs.NumaPolicy | None:
        """How near to its GPUs the guest has to be, None for nonsense."""
        flavor = self._spec.flavor
        try:
            return extra_specs.numa_policy(flavor.extra_specs)
        except exception.RequestImpossible as error:
            LOG.error('Flavor %s: %s', flavor.name, error)
            return None

    @functools.cached_property
    def _cell(self) -> str | None:
        """The UUID of the cell that the server can't leave, None for any.

        Nova does not hand what it claims in another cell to the server that
        moves there.
        """
        there = self._spec.requested_destination
        if there is None or not there.allow_cross_cell_move:
            return None
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            nova_context.get_admin_context(), self._spec.instance_uuid
        )
        return str(mapping.cell_mapping.uuid)

    @functools.cached_property
    def _wants_screen(self) -> bool:
        """Tell whether the console shall show the screen of a vGPU.

        An image may ask for it, and Nova keeps the properties that it does
        not know out of the request; a server that is new has them in its
        build request.
        """
        flavor = self._spec.flavor.extra_specs
        if not extra_specs.asks_gpus(flavor):
            return False
        try:
            request = objects.BuildRequest.get_by_instance_uuid(
                nova_context.get_admin_context(), self._spec.instance_uuid
            )
        except nova_exception.BuildRequestNotFound:
            return extra_specs.wants_display(flavor, {})
        return extra_specs.wants_display(
            flavor, request.instance.system_metadata
        )

    def passes(self, host_state: host_manager.HostState) -> bool:
        """Order a host's candidates; False when none of them can be had."""
        view = state.view(host_state)
        if view is None or not host_state.allocation_candidates:
            return True
        choices = [
            (candidate.parts(each, view.providers), each)
            for each in host_state.allocation_candidates
        ]
        if not choices[0][0]:
            # The request is for no GPUs.
            return True
        if self._cell not in (None, str(host_state.cell_uuid)):
            self._tell(
                host_state,
                choices[0][0],
                'a server that wants a GPU can not move to its cell',
            )
            return False
        if self._numa_policy is None:
            return False
        near = nearness.nearness(
            self._numa_policy, view, host_state, self._spec
        )
        pending = state.pending(view)
        now = view.with_taken(pending)
        scorer = state.scorer(self._policy, now, host_state, self._wanted)
        ranked = []
        for parts, each in choices:
            effect = view.effect(parts)
            reason = _refusal(view, near, parts, effect)
            if reason is None and self._wants_screen and not view.shows(parts):
                reason = _NO_SCREEN
            if reason is not None:
                self._tell(host_state, parts, reason)
                continue
            takers = _takers(now, parts, pending) if pending else 0
            is_far = near is not None and near.is_far(parts)
            cost = scorer.cost(now.effect(parts) if pending else effect)
            ranked.append(
                candidate_order.Ranked(
                    takers,
                    is_far,
                    cost,
                    view.apart(parts),
                    random.random(),
                    each,
                )
            )
        state.GpuHostState.of(
            host_state, view, near, candidate_order.in_order(ranked)
        )
        return bool(ranked)

    def _tell(
        self,
        host_state: host_manager.HostState,
        parts: view_.Parts,
        reason: str,
    ) -> None:
        LOG.info(
            'Host %s, %s: %s',
            host_state.host,
            ', '.join(_named(parts)),
            reason,
            extra={'instance_uuid': self._spec.instance_uuid},
        )


_NO_SCREEN = (
    'its console can not show the screen of these: leave gpuvirt_display out '
    'of flavor and image, or ask for a vGPU that has one'
)


def _refusal(
    view: view_.View,
    near: nearness.Nearness | None,
    parts: view_.Parts,
    effect: effects.Effect,
) -> str | None:
    """Tell why a choice can't be had, None where it can."""
    # The rules would find the effect again, for each candidate of each host.
    reason = None if effect.fits else rules.refusal(view, parts)
    if reason is None and near is not None:
        reason = near.refusal(parts)
    return reason


def _takers(now: view_.View, parts: view_.Parts, pending: view_.Parts) -> int:
    """Count who has had a choice a moment ago, if it is taken by that.

    It is the last choice then, not none: the build may have failed. Of
    several such, the one that fewest have comes first.
    """
    if rules.refusal(now, parts) is None:
        return 0
    return sum(
        taken.provider == part.provider for part in parts for taken in pending
    )


def _named(parts: view_.Parts) -> Iterator[str]:
    for part in parts:
        yield f'{part.units} {part.resource_class} of {part.provider}'
