"""Time builds and deletes when 64 of them come at once.

The host has eight GPUs of six VFs each, and its peer none; on each the same
rounds run in turn: servers are asked for and others deleted in the same
moment, as many as there are VFs, by a thread each, and Nova's threads build
and end them. Timed is what nova-compute does of one: a build from the claim
to the guest's start, a delete from its guest's end to its record's.

All services, Placement and the databases share this process with the builds,
so each takes a multiple of what it takes in a cloud; on the peer too. What our
own steps take of it is told apart, in time that a thread has the processor.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
from typing import Any

from benchmarks import cloud  # isort: skip (Nova's harness has to be first)

import fixtures

from benchmarks import command
from benchmarks import patching
from benchmarks import table
from nova_gpuvirt.simulation import settling
from nova_gpuvirt.simulation.hosts import flex
from nova_gpuvirt.simulation.hosts import none

_MS = 1000
_MANAGER = 'nova.compute.manager.ComputeManager'
_WHOLE = {
    f'{_MANAGER}._build_and_run_instance': 'build',
    f'{_MANAGER}._delete_instance': 'delete',
}
# What is ours in them.
_OURS = (
    'nova_gpuvirt.compute.reports.reporter.Reporter._report',
    'nova_gpuvirt.compute.building.Building._check',
    'nova_gpuvirt.compute.building.Building._wire',
    'nova_gpuvirt.compute.ending.Ending._release',
)
_FLAVORS = {'gpus': {'resources:VGPU': '1'}, 'none': {}}
_AT_ONCE = 64
# One of those that Nova's fixture of Glance has.
_IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
_RATIO = table.ratio_at_most(1.5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--rounds', type=int, default=3, metavar='N')


def run(args: argparse.Namespace) -> table.Table:
    """Measure."""
    rows = cloud.measure(
        lambda bench: _measure(bench, args.rounds), cloud.Crowded
    )
    return table.Table(
        f'{_AT_ONCE} builds and deletes at once, on a host of 48 VFs',
        tuple(rows),
    )


def _measure(bench: cloud.Cloud, rounds: int) -> list[table.Row]:
    bench.start('gpus', flex.with_140s(4))
    bench.start('none', none.host())
    logging.disable(logging.DEBUG)
    bench.addCleanup(logging.disable, logging.NOTSET)
    clock = bench.useFixture(_Clock())
    crowds = {name: _Crowd(bench, name) for name in _FLAVORS}
    for crowd in crowds.values():
        crowd.round(_AT_ONCE // 2)
    clock.clear()
    for _ in range(rounds):
        for name, crowd in crowds.items():
            clock.host = name
            crowd.round(_AT_ONCE // 2)
    found = clock.seconds
    refused = crowds['gpus'].refused
    rows = []
    for what in ('build', 'delete'):
        ours, theirs = (found[name, what] for name in _FLAVORS)
        own = found['gpus', f'ours in a {what}']
        for percent in (50, 99):
            rows += [
                table.Row(
                    f'a {what}, p{percent}',
                    'ms',
                    _ms(ours, percent),
                    _ms(theirs, percent),
                    _RATIO if percent == 50 else None,
                    note=f'{len(ours)} of ours, {len(theirs)} of the peer',
                ),
                table.Row(
                    f'our steps in a {what}, p{percent}',
                    'ms',
                    _ms(own, percent),
                    note='time of the processor',
                ),
            ]
    rows.append(
        table.Row(
            'refused, since servers that go have their VFs still',
            'servers',
            refused,
        )
    )
    return rows


def _ms(seconds: Iterable[float], percent: int) -> float:
    cuts = statistics.quantiles(seconds, n=100, method='inclusive')
    return _MS * cuts[percent - 1]


class _Crowd:
    """Those who ask for servers of one host.

    :ivar refused: how many servers were not built
    """

    def __init__(self, bench: cloud.Cloud, host: str) -> None:
        self._bench = bench
        self._host = host
        self._flavor = bench._create_flavor(
            memory_mb=256,
            vcpu=1,
            disk=1,
            ephemeral=0,
            extra_spec=_FLAVORS[host],
        )
        self._there: list[str] = []
        self.refused = 0

    def round(self, count: int) -> None:
        """Ask for so many, and delete as many of those that are there."""
        leaving = self._there[:count]
        asked = self._at_once(leaving, count)
        self._settle(leaving)
        status = {s['id']: s['status'] for s in self._bench.api.get_servers()}
        wrong = [uuid for uuid in asked if status[uuid] != 'ACTIVE']
        self.refused += len(wrong)
        self._at_once(wrong, 0)
        self._settle(wrong)
        self._there = [
            uuid
            for uuid in (*self._there, *asked)
            if uuid not in {*leaving, *wrong}
        ]

    def _at_once(self, leaving: list[str], count: int) -> list[str]:
        bench = self._bench
        delete = [
            functools.partial(bench.api.delete_server, uuid)
            for uuid in leaving
        ]
        calls: list[Callable[[], Any]] = [*delete, *[self._ask] * count]
        if not calls:
            return []
        start = threading.Barrier(len(calls))

        def call(one: Callable[[], Any]) -> Any:
            start.wait()
            return one()

        with futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(call, calls))[len(leaving) :]

    def _ask(self) -> str:
        server = self._bench._build_server(
            flavor_id=self._flavor,
            networks='none',
            image_uuid=_IMAGE,
            # A host that is named passes GpuFilter, which orders the cards.
            az='nova:none' if self._host == 'none' else None,
        )
        found: str = self._bench.api.post_server({'server': server})['id']
        return found

    def _settle(self, gone: list[str]) -> None:
        while settling.under_way({*gone}):
            time.sleep(1)


class _Clock(fixtures.Fixture):
    """Take the time of builds and deletes, and of what is ours in them.

    :ivar host: whose they are, by its name
    :ivar seconds: of each, by its host and what it is
    """

    def _setUp(self) -> None:  # noqa: N802
        self.host = ''
        self.seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(
            list
        )
        self._of_thread = threading.local()
        for name, what in _WHOLE.items():
            self.useFixture(
                patching.around(name, functools.partial(self._whole, what))
            )
        for name in _OURS:
            self.useFixture(patching.around(name, self._ours))

    def clear(self) -> None:
        """Forget what was timed."""
        self.seconds.clear()

    @contextlib.contextmanager
    def _whole(self, what: str) -> Iterator[None]:
        self._of_thread.ours = 0.0
        begin = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - begin
            self.seconds[self.host, what].append(took)
            self.seconds[self.host, f'ours in a {what}'].append(
                self._of_thread.ours
            )

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        begin = time.thread_time()
        try:
            yield
        finally:
            before = getattr(self._of_thread, 'ours', 0.0)
            self._of_thread.ours = before + time.thread_time() - begin


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
