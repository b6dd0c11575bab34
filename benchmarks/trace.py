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
from collections.abc import Iterable
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


class Unreadable(ValueError):
    """A file that is no list of these."""


def nodes(path: pathlib.Path) -> list[Node]:
    """Read the nodes.

    :raises Unreadable: when they can't be read, or none has a card
    """
    listed = [
        Node(
            row.text('sn'),
            row.count('cpu_milli'),
            row.count('memory_mib'),
            row.count('gpu'),
            row.text('model'),
        )
        for row in _rows(path)
    ]
    if not any(node.cards for node in listed):
        raise Unreadable(f'{path}: wanted nodes with GPUs, found none')
    return listed


def tasks(path: pathlib.Path) -> list[Task]:
    """Read the tasks, in the order of the file.

    Lists without the column of models mean any.

    :raises Unreadable: when they can't be read, or none is for a GPU
    """
    listed = [_task(row) for row in _rows(path)]
    if not any(task.gpu_milli for task in listed):
        # Their demand would never reach that of the GPUs.
        raise Unreadable(f'{path}: wanted tasks for GPUs, found none')
    return listed


def _task(row: _Row) -> Task:
    task = Task(
        row.count('cpu_milli'),
        row.count('memory_mib'),
        row.count('num_gpu'),
        row.count('gpu_milli'),
        row.names('gpu_spec') if row.has('gpu_spec') else frozenset(),
    )
    whole = task.milli == CARD
    share = task.cards == 1 and 0 < task.milli < CARD
    if task.cards and not whole and not share:
        raise Unreadable(
            f'{row.place}: wanted whole cards (gpu_milli {CARD}) or a share '
            f'of one, found num_gpu {task.cards} and gpu_milli {task.milli}'
        )
    return task


def check_models(
    path: pathlib.Path, listed: Iterable[Task], nodes: Iterable[Node]
) -> None:
    """Make sure that each task could be on some node.

    :param path: the file of the tasks
    :raises Unreadable: when a task names only models that no node has
    """
    found = {node.model for node in nodes}
    unknown = set[str]()
    for task in listed:
        if task.models and not task.models & found:
            unknown |= task.models
    if unknown:
        raise Unreadable(
            f'{path}: wanted models that the nodes have '
            f'({", ".join(sorted(found))}), found tasks for none but '
            f'{", ".join(sorted(unknown))}: give the nodes of this trace'
        )


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
    """Read what was published of other policies.

    :raises Unreadable: when it can't be read
    """
    return [
        Published(
            row.text('workload'),
            row.text('policy'),
            {m: row.number(f'at_{m}_percent_arrived') for m in marks},
        )
        for row in _rows(path)
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """A line of a file, and where it stands: file and number."""

    place: str
    columns: Mapping[str | None, str | None]

    def has(self, column: str) -> bool:
        return column in self.columns

    def text(self, column: str) -> str:
        if column not in self.columns:
            found = ', '.join(c for c in self.columns if c is not None)
            raise Unreadable(
                f'{self.place}: wanted a column {column}, found {found}'
            )
        value = self.columns[column]
        if value is None:
            raise self._refusal(column, 'a value', 'nothing: it is too short')
        return value

    def count(self, column: str) -> int:
        value = self.text(column)
        if not value.isdecimal():
            raise self._refusal(column, 'a count', repr(value))
        return int(value)

    def names(self, column: str) -> frozenset[str]:
        return frozenset(filter(None, self.text(column).split('|')))

    def number(self, column: str) -> float:
        value = self.text(column)
        try:
            return float(value)
        except ValueError:
            raise self._refusal(column, 'a number', repr(value)) from None

    def _refusal(self, column: str, wanted: str, found: str) -> Unreadable:
        return Unreadable(
            f'{self.place}: wanted {wanted} as {column}, found {found}'
        )


def _rows(path: pathlib.Path) -> Iterator[_Row]:
    is_empty = True
    try:
        with path.open(newline='', encoding='utf-8') as file:
            reader = csv.DictReader(file)
            for columns in reader:
                is_empty = False
                yield _Row(f'{path}:{reader.line_num}', columns)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f'{path} is no CSV file: {error}') from error
    if is_empty:
        raise Unreadable(f'{path}: wanted lines below a header, it is empty')
