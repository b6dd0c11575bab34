"""What filter and weigher of one nova-scheduler share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import nova.conf
from nova.scheduler import host_manager
from nova.virt import hardware

from nova_gpuvirt import conf
from nova_gpuvirt.model import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import candidate_order
from nova_gpuvirt.scheduler import fleet as fleet_
from nova_gpuvirt.scheduler import handed_out
from nova_gpuvirt.scheduler import nearness
from nova_gpuvirt.scheduler import policy as policy_
from nova_gpuvirt.scheduler import view as view_

CONF = nova.conf.CONF
conf.register_opts(CONF)

HANDED_OUT = handed_out.HandedOut()


@functools.cache
def fleet() -> fleet_.Fleet:
    """Give what is known of all hosts."""
    return fleet_.Fleet(conf.typical_requests(CONF))


def view(host_state: host_manager.HostState) -> view_.View | None:
    """Look at a host's GPUs, None where it tells of none."""
    stats = getattr(host_state, 'stats', {})
    return fleet().view(host_state.uuid, stats.get(summary.KEY))


def policy() -> policy_.Policy:
    """Read what choices shall spare."""
    return policy_.Policy(CONF.gpuvirt.policy)


def pending(view: view_.View) -> view_.Parts:
    """List what was handed out of a host, and it does not tell of yet."""
    if HANDED_OUT.is_clear(view.providers):
        return ()
    return HANDED_OUT.pending(view.summary)


def scorer(
    policy: policy_.Policy,
    view: view_.View,
    host_state: host_manager.HostState,
    wanted: tuple[int, int],
) -> policy_.Scorer:
    """Score the choices that a request has on a host.

    :param wanted: the CPUs and the MiB that the request takes
    """
    vcpus = host_state.vcpus_total * host_state.cpu_allocation_ratio
    memory = host_state.total_usable_ram_mb * host_state.ram_allocation_ratio
    used = host_state.total_usable_ram_mb - host_state.free_ram_mb
    return policy_.Scorer(
        policy,
        view,
        (vcpus - host_state.vcpus_used, memory - used),
        wanted,
    )


class GpuHostState(host_manager.HostState):
    """A host state, of one request, that knows its candidates' costs.

    It also notes which of its GPUs are handed out: Nova calls
    `consume_from_request` on the host that it has just claimed the first
    candidate of, and tells nobody else of it. And where the guests go that
    get them: Nova would take its own choice.

    :ivar gpus: the host's GPUs, as it tells of them
    :ivar near: how near to them the guest can be, None where it need not be
    :ivar ranked: its candidates, the best one first
    """

    gpus: view_.View
    numa_topology: Any
    near: nearness.Nearness | None
    ranked: Sequence[candidate_order.Ranked]

    @classmethod
    def of(
        cls,
        host_state: host_manager.HostState,
        view: view_.View,
        near: nearness.Nearness | None,
        ranked: Sequence[candidate_order.Ranked],
    ) -> None:
        """Make one of Nova's host state."""
        host_state.__class__ = cls
        host_state.gpus = view
        host_state.near = near
        host_state.ranked = ranked
        host_state.allocation_candidates = [r.candidate for r in ranked]

    def first(self) -> candidate_order.Ranked | None:
        """Find the first candidate that other filters have left."""
        for ranked in self.ranked:
            if ranked.candidate is self.allocation_candidates[0]:
                return ranked
        return None

    def consume_from_request(self, spec_obj: Any) -> None:
        """Note what Nova has claimed of this host, as well."""
        super().consume_from_request(spec_obj)
        HANDED_OUT.note(
            self.gpus.summary, spec_obj.instance_uuid, self._claimed()
        )

    def _locked_consume_from_request(self, spec_obj: Any) -> None:
        """Put the guest where the host will: beside its GPUs."""
        before = self.numa_topology
        fitted = self.near and self.near.fitted(self._claimed())
        super()._locked_consume_from_request(spec_obj)
        if fitted is not None:
            spec_obj.numa_topology = fitted
            self.numa_topology = hardware.numa_usage_from_instance_numa(
                before, fitted
            )

    def _claimed(self) -> view_.Parts:
        """List what is claimed of the GPUs, by the first candidate."""
        if not self.allocation_candidates:
            return ()
        return candidate.parts(
            self.allocation_candidates[0], self.gpus.providers
        )
