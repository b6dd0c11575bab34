"""Place a trace of tasks on its cluster, with Nova's scheduler and ours.

The experiment is that of Weng et al., "Beware of Fragmentation" (USENIX ATC
2023): tasks come one by one and none leaves; what fits nowhere is dropped. The
figure is how much of all GPUs is allocated when tasks have come that ask for
80 to 130 percent of them: the mean over ten seeds.

GpuFilter and GpuWeigher run in Nova's own handlers, beside those of Nova's
weighers that tell these hosts apart; this program plays Placement and the
hosts. The peers are what was published, Nova alone (its weighers, and the
first candidate), and ours with ``[gpuvirt]policy = pack``.

The trace is not a part of this project: give its files, or its folder as
TRACES in the environment.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import statistics
from collections.abc import Iterable
from collections.abc import Mapping

from benchmarks import command
from benchmarks import packing_run
from benchmarks import table
from benchmarks import trace

_FOLDER = 'TRACES'
_NODES = 'openb_node_list_gpu_node.csv'
_TASKS = ('openb_pod_list_default.csv', 'openb_pod_list_cpu050.csv')
_PUBLISHED = 'published-gpu-allocation-ratio.csv'
_FIRST_SEED = 42
# What the design asks for, of the workloads that were published.
_TARGETS = {'openb_pod_list_default': 95.4, 'openb_pod_list_cpu050': 95.2}
_LAST = packing_run.MARKS[-1]
_PEERS = {
    packing_run.Policy.NOVA: 'Nova alone',
    packing_run.Policy.PACK: 'policy = pack',
}

_Allocated = Mapping[int, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    folder = os.environ.get(_FOLDER)
    files = pathlib.Path(folder) if folder else None
    parser.add_argument(
        '--nodes', type=pathlib.Path, default=files and files / _NODES
    )
    parser.add_argument(
        '--tasks',
        type=pathlib.Path,
        nargs='+',
        default=files and [files / name for name in _TASKS],
    )
    parser.add_argument(
        '--published', type=pathlib.Path, default=files and files / _PUBLISHED
    )
    parser.add_argument('--seeds', type=int, default=10, metavar='N')
    parser.add_argument(
        '--processes', type=int, default=os.cpu_count(), metavar='N'
    )


def run(args: argparse.Namespace) -> table.Table:
    """Measure it, or say what is missing."""
    if args.nodes is None or args.tasks is None:
        return table.Table(
            'Packing: skipped, as the trace is not given (TRACES=FOLDER)', ()
        )
    try:
        published = _read(args)
    except trace.Unreadable as error:
        raise SystemExit(f'packing: {error}') from error
    found = _measure(args)
    rows: list[table.Row] = []
    plots: list[table.Plot] = []
    for path in args.tasks:
        theirs = {
            f'{p.policy}, published': p.allocated
            for p in published
            if p.workload == path.stem
        } | {peer: found[path, policy] for policy, peer in _PEERS.items()}
        ours = found[path, packing_run.Policy.FIT]
        rows.extend(_rows(path.stem, ours, theirs))
        plots.append(_plot(path.stem, {'policy = fit': ours} | theirs))
    return table.Table(
        f'GPUs that are allocated, mean of {args.seeds} seeds',
        tuple(rows),
        tuple(plots),
    )


def _read(args: argparse.Namespace) -> list[trace.Published]:
    """Look at all files before hours are spent on some of them."""
    nodes = trace.nodes(args.nodes)
    for path in args.tasks:
        trace.check_models(path, trace.tasks(path), nodes)
    if args.published is None:
        return []
    return trace.published(args.published, packing_run.MARKS)


def _measure(
    args: argparse.Namespace,
) -> dict[tuple[pathlib.Path, packing_run.Policy], _Allocated]:
    """Run everything, as many at once as there are processors."""
    kinds = [*itertools.product(args.tasks, packing_run.Policy)]
    seeds = range(_FIRST_SEED, _FIRST_SEED + args.seeds)
    runs = [
        packing_run.Run(args.nodes, tasks, policy, seed)
        for (tasks, policy), seed in itertools.product(kinds, seeds)
    ]
    found = []
    with concurrent.futures.ProcessPoolExecutor(
        args.processes, max_tasks_per_child=1
    ) as pool:
        for run, each in zip(
            runs, pool.map(packing_run.Run.allocated, runs), strict=True
        ):
            print(run.tasks.stem, run.policy.name, run.seed, each, flush=True)
            found.append(each)
    return {
        kind: _mean(
            each
            for run, each in zip(runs, found, strict=True)
            if (run.tasks, run.policy) == kind
        )
        for kind in kinds
    }


def _mean(each: Iterable[_Allocated]) -> _Allocated:
    every = [*each]
    return {
        mark: statistics.fmean(one[mark] for one in every)
        for mark in packing_run.MARKS
    }


def _rows(
    workload: str, ours: _Allocated, theirs: Mapping[str, _Allocated]
) -> list[table.Row]:
    """Compare at the end with all, and before it with the best of them."""
    bound = _TARGETS.get(workload)
    target = (
        table.Target(table.Measure.OURS, bound, at_least=True)
        if bound is not None
        else None
    )
    best = max(theirs, key=lambda name: theirs[name][_LAST])
    before = [
        _row(workload, mark, ours, best, theirs[best])
        for mark in packing_run.MARKS[:-1]
    ]
    after = [
        _row(workload, _LAST, ours, name, theirs[name])
        for name in sorted(theirs, key=lambda name: -theirs[name][_LAST])
    ]
    after[0] = dataclasses.replace(after[0], target=target)
    return before + after


def _row(
    workload: str, mark: int, ours: _Allocated, name: str, peer: _Allocated
) -> table.Row:
    return table.Row(
        f'{workload}, {mark} % arrived',
        '%',
        ours[mark],
        peer[mark],
        note=f'peer: {name}',
    )


def _plot(workload: str, lines: Mapping[str, _Allocated]) -> table.Plot:
    return table.Plot(
        f'packing-{workload}',
        f'GPUs that are allocated: {workload}',
        '% of the GPUs asked for',
        '% of the GPUs allocated',
        tuple(
            table.Curve(label, tuple(sorted(line.items())))
            for label, line in lines.items()
        ),
    )


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
