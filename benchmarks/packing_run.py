"""One run of the packing benchmark: one policy, one order of the tasks."""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
from collections.abc import Hashable

import nova.conf
from nova import objects
from nova.scheduler.weights import cpu
from nova.scheduler.weights import ram

from benchmarks import scheduling
from benchmarks import trace
from benchmarks import trace_hosts
from nova_gpuvirt.scheduler import filters as gpu_filters
from nova_gpuvirt.scheduler import weighers as gpu_weighers

CONF = nova.conf.CONF

# The demand at which is looked at what is allocated, in percent of the GPUs.
MARKS = (80, 90, 100, 110, 120, 130)


class Policy(enum.Enum):
    """Who chooses: ours with a policy, or Nova alone."""

    FIT = 'fit'
    PACK = 'pack'
    NOVA = None


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What is run."""

    nodes: pathlib.Path
    tasks: pathlib.Path
    policy: Policy
    seed: int

    def allocated(self) -> dict[int, float]:
        """Place the tasks and return what is allocated at each mark."""
        os.nice(10)
        objects.register_all()
        listed = trace.tasks(self.tasks)
        if self.policy is not Policy.NOVA:
            CONF.set_override('policy', self.policy.value, 'gpuvirt')
            CONF.set_override(
                'typical_request',
                trace_hosts.typical_requests(listed),
                'gpuvirt',
            )
        sizes = sorted({t.milli for t in listed} - {0, trace.CARD})
        nodes = trace.nodes(self.nodes)
        hosts = [trace_hosts.Host(node, tuple(sizes)) for node in nodes]
        scheduler = Scheduler(with_gpus=self.policy is not Policy.NOVA)
        whole = trace.CARD * sum(node.cards for node in nodes)
        arriving = trace.arrivals(listed, self.seed, whole * MARKS[-1] / 100)
        found: dict[int, float] = {}
        arrived = taken = 0
        for task in arriving:
            arrived += task.gpu_milli
            if scheduler.place(task, hosts):
                taken += task.gpu_milli
            for mark in MARKS:
                if mark not in found and arrived >= whole * mark / 100:
                    found[mark] = 100 * taken / whole
        return found


class Scheduler:
    """What Nova's HostManager does with the hosts that Placement names.

    Of Nova's weighers those that tell the trace's hosts apart are here. The
    others give all of them the same.
    """

    def __init__(self, with_gpus: bool) -> None:
        weighers = [ram.RAMWeigher(), cpu.CPUWeigher()]
        if with_gpus:
            weighers.append(gpu_weighers.GpuWeigher())
        self._handlers = scheduling.Handlers(
            [gpu_filters.GpuFilter()] if with_gpus else [], weighers
        )

    def place(self, task: trace.Task, hosts: list[trace_hosts.Host]) -> bool:
        """Place a task on the best host; False where none has room.

        Of hosts that are alike the first one stands for all: they would weigh
        the same, and it would be the first of them.
        """
        kinds: set[Hashable] = set()
        asked = []
        by_name = {}
        for host in hosts:
            if host.kind in kinds:
                continue
            kinds.add(host.kind)
            candidates = host.candidates(task)
            if candidates:
                asked.append(host.asked(candidates))
                by_name[asked[-1].host] = host
        if not asked:
            return False
        spec = scheduling.request_spec(task.cpu_milli, task.memory_mib)
        weighed = self._handlers.weigh(asked, spec)
        if not weighed:
            return False
        chosen = weighed[0].obj
        candidate = chosen.allocation_candidates[0]
        chosen.consume_from_request(spec)
        by_name[chosen.host].place(task, candidate, spec.instance_uuid)
        return True
