"""What filter and weigher of one nova-scheduler share."""

from __future__ import annotations

import functools
from typing import Any

import nova.conf
from nova import objects
from nova.scheduler import host_manager
from nova.virt import hardware

from nova_gpuvirt import conf
from nova_gpuvirt import summary
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import fleet as fleet_
from nova_gpuvirt.scheduler import handed_out
from nova_gpuvirt.scheduler import numa
from nova_gpuvirt.scheduler import scoring
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


def scorer(
    view: view_.View,
    host_state: host_manager.HostState,
    spec: objects.RequestSpec,
) -> scoring.Scorer:
    """Score the choices that a request has on a host."""
    vcpus = host_state.vcpus_total * host_state.cpu_allocation_ratio
    memory = host_state.total_usable_ram_mb * host_state.ram_allocation_ratio
    used = host_state.total_usable_ram_mb - host_state.free_ram_mb
    return scoring.Scorer(
        scoring.Policy(CONF.gpuvirt.policy),
        view,
        (vcpus - host_state.vcpus_used, memory - used),
        (spec.vcpus, spec.memory_mb),
    )


class GpuHostState(host_manager.HostState):
    """A host state that notes which of its GPUs are handed out.

    And where the guests go that get them: Nova would take its own choice.

    Nova calls `consume_from_request` on the host that it has just claimed
    the first candidate of, and tells nobody else of it.
    """

    gpus: view_.View
    numa_topology: Any
    near: numa.Nearness | None

    @classmethod
    def of(
        cls,
        host_state: host_manager.HostState,
        view: view_.View,
        near: numa.Nearness | None,
    ) -> None:
        """Make one of Nova's host state."""
        host_state.__class__ = cls
        host_state.gpus = view
        host_state.near = near

    def is_far(self, parts: view_.Parts) -> bool:
        """Tell whether a guest can't be near the GPUs of its choice."""
        return self.near is not None and self.near.is_far(parts)

    def consume_from_request(self, spec_obj: Any) -> None:
        """Note what Nova has claimed of this host, as well."""
        super().consume_from_request(spec_obj)
        HANDED_OUT.note(self.gpus.summary, self._claimed())

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
