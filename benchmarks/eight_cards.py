"""Ask Placement for the eight cards of one host: as a set, and one by one.

The set is one unit of one resource class, on a provider of its own in the
host's tree. The peer asks for eight numbered groups of one PGPU over eight
providers, which may stand in 8! orders, and Placement makes all of them. It
is measured as Placement comes, bounded by a deadline, and with the options
that are made for this case: optimize_for_wide_provider_trees,
max_allocation_candidates = 1000 and the breadth-first strategy, with which
all but the first 1000 candidates are missing.
"""

from __future__ import annotations

import argparse
import math

from benchmarks import bounded
from benchmarks import command
from benchmarks import placement
from benchmarks import table
from benchmarks import timing

_CARDS = 8
_ROOT = '/allocation_candidates?resources=VCPU:8,MEMORY_MB:65536,DISK_GB:100'
# What Nova asks for at most: [scheduler]max_placement_results.
_LIMIT = 1000
_SET = f'{_ROOT},{placement.SET}:1&limit={_LIMIT}'
_GROUPS = (
    _ROOT
    + ''.join(f'&resources{n}=PGPU:1' for n in range(1, _CARDS + 1))
    + f'&group_policy=isolate&limit={_LIMIT}'
)
# The number of hosts at which there is a target.
_TARGET_HOSTS = 100
_MEMORY = 8 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        '--hosts', type=int, nargs='+', default=[1, 10, 100, 1000], metavar='N'
    )
    parser.add_argument('--repeats', type=int, default=3, metavar='N')
    parser.add_argument(
        '--deadline',
        type=float,
        default=60,
        metavar='SECONDS',
        help='for the peer as Placement comes (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> table.Table:
    """Measure it with each number of hosts."""
    rows = [
        row
        for hosts in args.hosts
        for row in _with_hosts(hosts, args.repeats, args.deadline)
    ]
    return table.Table(
        'Eight cards of one host: GET /allocation_candidates',
        tuple(rows),
        (_plot(args.hosts, rows),),
    )


def _with_hosts(hosts: int, repeats: int, deadline: float) -> list[table.Row]:
    with placement.Placement(hosts) as stack:
        untuned = bounded.run(
            lambda: _candidates(stack, _GROUPS), deadline, _MEMORY
        )
        stack.option('workarounds', optimize_for_wide_provider_trees=True)
        stack.option(
            'placement',
            max_allocation_candidates=_LIMIT,
            allocation_candidates_generation_strategy='breadth-first',
        )
        seconds = timing.medians(
            {
                'set': lambda: _candidates(stack, _SET),
                'groups': lambda: _candidates(stack, _GROUPS),
            },
            repeats,
        )
        of_set = _candidates(stack, _SET)
        of_groups = _candidates(stack, _GROUPS)
    target = table.times_faster(100) if hosts == _TARGET_HOSTS else None
    every = hosts * math.factorial(_CARDS)
    return [
        table.Row(
            f'hosts: {hosts}',
            's',
            seconds['set'],
            untuned.seconds,
            target,
            peer_is_more=untuned.failure is not None,
            note='peer as Placement comes: '
            + (untuned.failure or f'{untuned.result} of {every} candidates'),
        ),
        table.Row(
            f'hosts: {hosts}, peer tuned',
            's',
            seconds['set'],
            seconds['groups'],
            note=f'peer: {of_groups} of {every} candidates',
        ),
        table.Row(
            f'hosts: {hosts}, missing candidates',
            'candidates',
            hosts - of_set,
            every - of_groups,
            table.at_most(0),
            note='peer tuned',
        ),
    ]


def _candidates(stack: placement.Placement, url: str) -> int:
    return len(stack.get(url)['allocation_requests'])


def _plot(hosts: list[int], rows: list[table.Row]) -> table.Plot:
    untuned, tuned = rows[0::3], rows[1::3]
    curves = {
        'as a set': [row.ours for row in tuned],
        'eight groups, tuned and truncated': [row.peer or 0 for row in tuned],
        'eight groups, given up at': [row.peer or 0 for row in untuned],
    }
    return table.Plot(
        'eight-cards',
        'Eight cards of one host: GET /allocation_candidates',
        'hosts',
        'seconds',
        tuple(
            table.Curve(label, tuple(zip(hosts, seconds, strict=True)))
            for label, seconds in curves.items()
        ),
        log_x=True,
        log_y=True,
    )


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
