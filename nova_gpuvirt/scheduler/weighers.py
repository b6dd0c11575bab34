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
from nova_gpuvirt.scheduler import view as view_

CONF = nova.conf.CONF

# More than any choice costs: no host has so many cards.
_ALL = 1000.0
# A guest far from its GPUs costs as much as one card.
_FAR = 1.0


class GpuWeigher(weights.BaseHostWeigher):
    """Weigh a host by what its first candidate costs the GPUs of the fleet.

    A request without GPUs goes to a host without any, where there is one.
    """

    def weight_multiplier(self, host_state: host_manager.HostState) -> float:
        """Read ``gpu_weight_multiplier`` of the aggregate, else the option."""
        multiplier: float = utils.get_weight_multiplier(
            host_state,
            'gpu_weight_multiplier',
            CONF.gpuvirt.gpu_weight_multiplier,
        )
        return multiplier

    def _weigh_object(
        self,
        host_state: host_manager.HostState,
        weight_properties: objects.RequestSpec,
    ) -> float:
        view = state.view(host_state)
        if view is None:
            return 0.0
        parts: view_.Parts = ()
        if host_state.allocation_candidates:
            parts = candidate.parts(
                host_state.allocation_candidates[0], view.providers
            )
        pending = [*state.HANDED_OUT.pending(view.summary)]
        if pending:
            view = view.with_taken(pending)
        cost = state.scorer(view, host_state, weight_properties).cost(parts)
        if not parts or rules.refusal(view, parts) is not None:
            cost += _ALL
        if isinstance(host_state, state.GpuHostState) and host_state.is_far(
            parts
        ):
            cost += _FAR
        return -cost
