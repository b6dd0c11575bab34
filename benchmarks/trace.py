"""A trace of tasks with GPUs, as two CSV files: the nodes, and the tasks.

The format is that of cluster-trace-gpu-v2023 (alibaba/clusterdata), which
Weng et al. publish with "Beware of Fragmentation: Scheduling GPU-Sharing
Workloads with Fragmentation Gradient Descent" (USENIX ATC 2023).
"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import random
from collections.abc import Iterator
from collections.abc import Mapping

# A card has so many parts, as the trace counts.
CARD = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A host: thousandths of a CPU, memory in MiB, and cards of one model."""

    name: str
    cpu_milli: int
    memory_mib: int
    cards: int
    model: str


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What a task takes.

    :ivar cards: on how many cards it is
    :ivar milli: thousandths of each of them; less than `CARD` only of one
    :ivar models: those that will do, none for any
    """

    cpu_milli: int
    memory_mib: int
    cards: int
    milli: int
    models: frozenset[str] = frozenset()

    @property
    def gpu_milli(self) -> int:
        """What it takes of GPUs, in thousandths of a card."""
        return self.cards * self.milli


def nodes(path: pathlib.Path) -> list[Node]:
    """Read the nodes."""
    return [
        Node(
            row['sn'],
            int(row['cpu_milli']),
            int(row['memory_mib']),
            int(row['gpu']),
            row['model'],
        )
        for row in _rows(path)
    ]


def tasks(path: pathlib.Path) -> list[Task]:
    """Read the tasks, in the order of the file."""
    return [
        Task(
            int(row['cpu_milli']),
            int(row['memory_mib']),
            int(row['num_gpu']),
            int(row['gpu_milli']),
            frozenset(filter(None, row['gpu_spec'].split('|'))),
        )
        for row in _rows(path)
    ]


def arrivals(listed: list[Task], seed: int, gpu_milli: float) -> list[Task]:
    """List tasks in the order in which they come, as was published.

    All that are listed come in a random order; then some of them again, at
    random, until their demand reaches so many thousandths of a card.
    """
    chance = random.Random(seed)
    arriving = list(listed)
    chance.shuffle(arriving)
    demand = sum(task.gpu_milli for task in arriving)
    while demand < gpu_milli:
        arriving.append(chance.choice(listed))
        demand += arriving[-1].gpu_milli
    return arriving


@dataclasses.dataclass(frozen=True, slots=True)
class Published:
    """What a policy reached: percent of the GPUs, by percent arrived."""

    workload: str
    policy: str
    allocated: Mapping[int, float]


def published(path: pathlib.Path, marks: tuple[int, ...]) -> list[Published]:
    """Read what was published of other policies."""
    return [
        Published(
            row['workload'],
            row['policy'],
            {m: float(row[f'at_{m}_percent_arrived']) for m in marks},
        )
        for row in _rows(path)
    ]


def _rows(path: pathlib.Path) -> Iterator[dict[str, str]]:
    with path.open(newline='') as file:
        yield from csv.DictReader(file)
