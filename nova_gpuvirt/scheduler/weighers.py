"""The weigher that knows GPUs, ``nova_gpuvirt.scheduler.weighers.GpuWeigher``.

It stands in ``[filter_scheduler]weight_classes`` beside
``nova.scheduler.weights.all_weighers``.
"""

from __future__ import annotations

import nova.conf
from nova import objects
from nova.scheduler import host_manager
from nova.scheduler import utils
from nova.scheduler import weights

from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import rules
from nova_gpuvirt.scheduler import state

CONF = nova.conf.CONF

# More than any choice costs: no host has so many cards.
_ALL = 1000.0
# What weighs no more than this is the last choice.
_LAST = -_ALL / 2
# It is so many cards behind the others.
_BEHIND = 1.0
# A guest far from its GPUs costs as much as one card.
_FAR = 1.0


class GpuWeigher(weights.BaseHostWeigher):
    """Weigh a host by what its first candidate costs the GPUs of the fleet.

    A request without GPUs goes to a host without any, where there is one.
    """

    def __init__(self) -> None:
        # As the filter does: one for all threads, before the first request.
        state.fleet()
        self._policy = state.policy()

    def weight_multiplier(self, host_state: host_manager.HostState) -> float:
        """Read ``gpu_weight_multiplier`` of the aggregate, else the option."""
        multiplier: float = utils.get_weight_multiplier(
            host_state,
            'gpu_weight_multiplier',
            CONF.gpuvirt.gpu_weight_multiplier,
        )
        return multiplier

    def weigh_objects(
        self,
        weighed_obj_list: list[weights.WeighedHost],
        weight_properties: objects.RequestSpec,
    ) -> list[float]:
        """Weigh all hosts, those that are the last choice close behind.

        Nova spreads weights from 0 to 1: far behind, they would press the
        others together until other weighers decide.
        """
        weights_: list[float] = super().weigh_objects(
            weighed_obj_list, weight_properties
        )
        last = [w for w in weights_ if w <= _LAST]
        first = [w for w in weights_ if w > _LAST]
        if not first or not last:
            return weights_
        gap = min(first) - max(last) - _BEHIND
        return [w + gap if w <= _LAST else w for w in weights_]

    def _weigh_object(
        self,
        host_state: host_manager.HostState,
        weight_properties: objects.RequestSpec,
    ) -> float:
        if not host_state.allocation_candidates:
            return 0.0 if state.view(host_state) is None else -_ALL
        if isinstance(host_state, state.GpuHostState):
            ranked = host_state.first()
            if ranked is not None:
                far = ranked.is_far * _FAR
                return -ranked.cost - far - bool(ranked.takers) * _ALL
        return self._look(host_state, weight_properties)

    def _look(
        self,
        host_state: host_manager.HostState,
        spec: objects.RequestSpec,
    ) -> float:
        """Weigh a host that the filter has not looked at."""
        view = state.view(host_state)
        if view is None:
            return 0.0
        view = view.with_taken(state.pending(view))
        parts = candidate.parts(
            host_state.allocation_candidates[0], view.providers
        )
        wanted = spec.vcpus, spec.memory_mb
        scorer = state.scorer(self._policy, view, host_state, wanted)
        cost = scorer.cost(view.effect(parts))
        if not parts or rules.refusal(view, parts) is not None:
            cost += _ALL
        return -cost
