"""Fit a guest beside its GPUs on a large host where it does not fit.

The host has 16 NUMA nodes, with three CPUs left on one of them and two on the
others. An image can ask for any number of cells (``hw_numa_nodes``), of any
sizes (``hw_numa_cpus.N``): here six that are alike, and six that all differ,
of which each fits somewhere and two want the same node. nova-scheduler asks
for each host of a request, and nova-compute under its tracker's lock. The peer
is Nova's own function, on the same host and guest, without any GPU.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence

from nova import objects
from nova.virt import hardware

from benchmarks import bounded
from benchmarks import command
from benchmarks import table
from benchmarks import timing
from nova_gpuvirt.numa import fit

_NODES = 16
_CPUS = 8
_FREE = (3,) + (2,) * 15
_CASES = {
    'six cells that are alike': (3,) * 6,
    # The memory of each differs, so that none is like another.
    'six cells that all differ': (1, 2, 1, 2, 3, 3),
}
_MS = 1e3
_TARGET = table.times_faster(100)
_GIB = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--repeats', type=int, default=5, metavar='N')
    parser.add_argument(
        '--deadline',
        type=float,
        default=60,
        metavar='SECONDS',
        help='when the peer is given up (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> table.Table:
    """Measure it."""
    objects.register_all()
    return table.Table(
        f'A guest that does not fit on a host of {_NODES} NUMA nodes',
        tuple(
            _row(case, sizes, args.repeats, args.deadline)
            for case, sizes in _CASES.items()
        ),
    )


def _row(
    case: str, sizes: Sequence[int], repeats: int, deadline: float
) -> table.Row:
    host, guest = _host(), _guest(sizes)
    limits = objects.NUMATopologyLimits(
        cpu_allocation_ratio=1.0, ram_allocation_ratio=1.0
    )
    ours = functools.partial(fit.fit, host, guest, {3}, limits)

    def theirs() -> int:
        fitted = hardware.numa_fit_instance_to_host(
            host, guest.obj_clone(), None, limits=limits
        )
        return 0 if fitted is None else len(fitted)

    if ours() is not None:
        raise RuntimeError(f'{case}: a guest fits that has no room')
    peer = bounded.run(theirs, deadline, 4 * _GIB)
    seconds = timing.medians({'ours': ours}, repeats)
    return table.Row(
        case,
        'ms',
        _MS * seconds['ours'],
        _MS * peer.seconds,
        _TARGET,
        peer_is_more=peer.failure is not None,
        note="peer: Nova's numa_fit_instance_to_host",
    )


def _host() -> objects.NUMATopology:
    cells = []
    for number in range(_NODES):
        cpus = {*range(number * _CPUS, (number + 1) * _CPUS)}
        cell = objects.NUMACell(
            id=number,
            cpuset=cpus,
            pcpuset=cpus,
            memory=4096,
            cpu_usage=_CPUS - _FREE[number],
            memory_usage=0,
            pinned_cpus={*sorted(cpus)[_FREE[number] :]},
            siblings=[{cpu} for cpu in cpus],
            mempages=[],
            socket=number,
            network_metadata=objects.NetworkMetadata(
                physnets=set(), tunneled=False
            ),
        )
        cells.append(cell)
    return objects.NUMATopology(cells=cells)


def _guest(sizes: Sequence[int]) -> objects.InstanceNUMATopology:
    cells = []
    alike = len({*sizes}) == 1
    for number, size in enumerate(sizes):
        first = sum(sizes[:number])
        cell = objects.InstanceNUMACell(
            id=number,
            cpuset=set(),
            pcpuset={*range(first, first + size)},
            memory=256 if alike else 256 + number,
            pagesize=None,
            cpu_policy='dedicated',
            cpu_thread_policy=None,
            cpu_pinning=None,
            cpuset_reserved=None,
        )
        cells.append(cell)
    return objects.InstanceNUMATopology(cells=cells)


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
