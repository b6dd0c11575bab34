"""The hosts of a trace, as nova-scheduler sees them."""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import os_resource_classes as orc
from nova.scheduler import host_manager

from benchmarks import scheduling
from benchmarks import trace
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text

_MILLIONTHS = summary.CARD // trace.CARD


def resource_class(task: trace.Task) -> str:
    """Name the class that a task asks for."""
    return orc.PGPU if task.milli == trace.CARD else _part_class(task.milli)


def _part_class(milli: int) -> str:
    return f'CUSTOM_VGPU_{milli}'


def typical_requests(tasks: Iterable[trace.Task]) -> list[str]:
    """Say how often each shape is listed, as ``typical_request`` has it."""
    shapes = Counter(
        (t.cpu_milli, t.memory_mib, resource_class(t), t.cards)
        for t in tasks
        if t.cards
    )
    return [
        f'{times} {cpu} {memory} {rc}={count}'
        for (cpu, memory, rc, count), times in shapes.items()
    ]


class Host:
    """A host, and exactly what is left of it.

    One VCPU stands for a thousandth of a CPU.

    :ivar kind: what is the same for hosts that nobody can tell apart
    """

    def __init__(self, node: trace.Node, sizes: tuple[int, ...]) -> None:
        self._node = node
        self._sizes = sizes
        self._cpu = node.cpu_milli
        self._memory = node.memory_mib
        self._free = [trace.CARD] * node.cards
        self._arrived: list[str] = []
        name = uuid.uuid5(uuid.NAMESPACE_OID, node.name)
        self._uuid = str(name)
        self._cards = [
            str(uuid.uuid5(name, str(i))) for i in range(node.cards)
        ]
        self._layout = summary.Layout(
            node.model,
            tuple(
                summary.Part(
                    _part_class(size),
                    size * _MILLIONTHS,
                    summary.Sharing.MIXED,
                )
                for size in sizes
            ),
        )
        self._state = host_manager.HostState(node.name, node.name, None)
        self.kind: Hashable = None
        self._tell()

    def candidates(self, task: trace.Task) -> list[dict[str, Any]]:
        """List what Placement would offer of this host, none if it is full."""
        if task.cpu_milli > self._cpu or task.memory_mib > self._memory:
            return []
        if task.models and self._node.model not in task.models:
            return []
        return [self._candidate(task, cards) for cards in self._choices(task)]

    def asked(
        self, candidates: list[dict[str, Any]]
    ) -> host_manager.HostState:
        """Give what the scheduler reads for one request."""
        state = copy.copy(self._state)
        state.allocation_candidates = candidates
        return state

    def _choices(self, task: trace.Task) -> Iterator[tuple[int, ...]]:
        """List the cards to choose from: of those that are alike, the first.

        Placement lists all, in all combinations.
        """
        if not task.cards:
            yield ()
        elif task.milli == trace.CARD:
            whole = [i for i, n in enumerate(self._free) if n == trace.CARD]
            if len(whole) >= task.cards:
                yield tuple(whole[: task.cards])
        else:
            for free in dict.fromkeys(self._free):
                if free >= task.milli:
                    yield (self._free.index(free),)

    def _candidate(
        self, task: trace.Task, cards: tuple[int, ...]
    ) -> dict[str, Any]:
        root = {orc.VCPU: task.cpu_milli, orc.MEMORY_MB: task.memory_mib}
        unit = {'resources': {resource_class(task): 1}}
        providers = [self._cards[i] for i in cards]
        allocations = {self._uuid: {'resources': root}}
        allocations |= dict.fromkeys(providers, unit)
        mappings = {str(i): [p] for i, p in enumerate(providers, 1)}
        return {
            'allocations': allocations,
            'mappings': {'': [self._uuid]} | mappings,
        }

    def place(
        self, task: trace.Task, candidate: dict[str, Any], instance: str
    ) -> None:
        """Give a task what a candidate says, and tell the scheduler.

        :param instance: the UUID that the scheduler knows the task by
        :raises RuntimeError: when it is not there
        """
        cards = [
            i
            for i, provider in enumerate(self._cards)
            if provider in candidate['allocations']
        ]
        self._cpu -= task.cpu_milli
        self._memory -= task.memory_mib
        for i in cards:
            self._free[i] -= task.milli
        if min(self._cpu, self._memory, *self._free) < 0:
            raise RuntimeError(f'{self._node.name} has no room for {task}')
        self._arrived.append(summary.mark(instance))
        self._tell()

    def _tell(self) -> None:
        """Tell what nova-compute would, through Nova's own objects."""
        node = self._node
        compute = scheduling.compute_node(
            node.name,
            uuid=self._uuid,
            memory_mb=node.memory_mib,
            free_ram_mb=self._memory,
            vcpus=node.cpu_milli,
            vcpus_used=node.cpu_milli - self._cpu,
            stats={summary.KEY: summary_text.dump(self._summary())},
        )
        self._state.update(compute, {}, [], {})
        self.kind = node.model, self._cpu, self._memory, tuple(self._free)

    def _summary(self) -> summary.Summary:
        return summary.Summary(
            tuple(
                summary.Card(
                    provider,
                    f'card{i}',
                    self._layout,
                    whole=free == trace.CARD,
                    unused=free * _MILLIONTHS,
                    left=tuple(free // size for size in self._sizes),
                )
                for i, (provider, free) in enumerate(
                    zip(self._cards, self._free, strict=True)
                )
            ),
            arrived=tuple(self._arrived),
        )
