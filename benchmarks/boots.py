"""Time what our code adds to a boot on a host that has many guests.

Each guest has a vGPU of one of eight cards, a libvirt domain, a row in the
database and its claim in it. Timed is, in real boots, all that our driver
does beside Nova's: the report of the provider tree in the claim, the check of
the claims, the making of the vGPU and the wiring of the guest. The peer is
Nova's own `_allocate_mdevs` on the same simulated libvirt with the same
guests, for a vGPU that exists and is free: the quicker of its two ways.

Not in it are requests to Placement, which `benchmarks.requests` counts, and
what libvirt and a vendor's driver take to make a vGPU: the peer makes none.
The times are those that a thread has the processor: the services of the cloud
share this process, and wait for each other. For the same reason what they have
in memory before the boots is left out of Python's garbage collections.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks import cloud  # isort: skip (Nova's harness has to be first)

import fixtures
from nova.compute import provider_tree

from benchmarks import command
from benchmarks import guests
from benchmarks import hosts
from benchmarks import patching
from benchmarks import table

_MS = 1000
_TARGET = table.at_most(10)
_HOST = 'host1'
_VGPU = {'resources:CUSTOM_VGPU_NVIDIA_T4_1Q': '1'}
# What our driver does in a boot, and what of it waits for others.
_PARTS = {
    'nova_gpuvirt.compute.reports.reporter.Reporter._report': 'report',
    'nova_gpuvirt.compute.building.Building._check': 'check',
    'nova_gpuvirt.handover.Handover.attach': 'vGPU',
    'nova_gpuvirt.guest.wire': 'wiring',
}
_WAITS = {
    'nova_gpuvirt.compute.claims.ledger.Ledger.renew': 'report',
    'nova_gpuvirt.host.hypervisor.Hypervisor.create_mdev': 'vGPU',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        '--guests', type=int, nargs='+', default=[10, 100, 500], metavar='N'
    )
    parser.add_argument('--repeats', type=int, default=15, metavar='N')


def run(args: argparse.Namespace) -> table.Table:
    """Measure it with each number of guests."""
    rows = cloud.measure(lambda bench: _measure(bench, args))
    curves = {
        'ours': [row.ours for row in rows],
        "Nova's _allocate_mdevs": [row.peer or 0 for row in rows],
    }
    plot = table.Plot(
        'boots',
        'What a vGPU adds to a boot',
        'guests on the host',
        'ms',
        tuple(
            table.Curve(label, tuple(zip(args.guests, ms, strict=True)))
            for label, ms in curves.items()
        ),
    )
    title = 'What our code adds to a boot, on a host with 8 cards'
    return table.Table(title, tuple(rows), (plot,))


def _measure(bench: cloud.Cloud, args: argparse.Namespace) -> list[table.Row]:
    # Else a card's first vGPU changes what VGPU is.
    bench.flags(default_profile=['nvidia-t4-1q'], group='gpuvirt')
    driver = bench.start(_HOST, hosts.mdevs())
    there = guests.Guests(bench, _HOST, bench.boot(_VGPU))
    nova = _Nova(driver, there)
    clock = bench.useFixture(_Clock())
    # As nova-compute logs by default; the harness formats what is not shown.
    logging.disable(logging.DEBUG)
    bench.addCleanup(logging.disable, logging.NOTSET)
    rows = []
    for count in args.guests:
        there.grow(count)
        gc.collect()
        gc.freeze()
        ours: list[dict[str, float]] = []
        theirs: list[float] = []
        for _ in range(args.repeats + 1):
            clock.seconds.clear()
            server = bench.boot(_VGPU)
            ours.append(dict(clock.seconds))
            bench._delete_server(server)
            begin = time.thread_time()
            nova.allocate()
            theirs.append(time.thread_time() - begin)
        # The first of each does not count.
        rows.append(_row(count, ours[1:], theirs[1:]))
    return rows


def _row(
    count: int, ours: list[dict[str, float]], theirs: list[float]
) -> table.Row:
    parts = {
        part: _MS * statistics.median(boot[part] for boot in ours)
        for part in _PARTS.values()
    }
    return table.Row(
        f'guests: {count}',
        'ms',
        _MS * statistics.median(sum(boot.values()) for boot in ours),
        _MS * statistics.median(theirs),
        _TARGET,
        note=', '.join(f'{part} {ms:.1f}' for part, ms in parts.items()),
    )


class _Clock(fixtures.Fixture):
    """Take the time of what our driver does.

    :ivar seconds: by part, since they were cleared
    """

    def _setUp(self) -> None:  # noqa: N802
        self.seconds: defaultdict[str, float] = defaultdict(float)
        for name, part in _PARTS.items():
            self.useFixture(patching.around(name, self._timed(part)))
        for name, part in _WAITS.items():
            self.useFixture(patching.around(name, self._timed(part, -1)))

    def _timed(self, part: str, sign: int = 1) -> patching.Around:
        @contextlib.contextmanager
        def timed() -> Iterator[None]:
            begin = time.thread_time()
            try:
                yield
            finally:
                self.seconds[part] += sign * (time.thread_time() - begin)

        return timed


class _Nova:
    """Nova's own allocation of mdevs, as if it had these cards.

    It takes an mdev that exists on the first card and that no guest has.
    """

    def __init__(self, driver: Any, there: guests.Guests) -> None:
        self._driver = driver
        card = there.cards[0]
        there.make_mdev(card, uuid.uuid4())
        node = 'node'
        self._tree = provider_tree.ProviderTree()
        self._tree.new_root(node, str(uuid.uuid4()))
        self._provider = self._tree.new_child(f'{node}_{card.nodedev}', node)
        self._type_id = there.type_id

    def allocate(self) -> None:
        """Allocate one, and make no more of it."""
        driver = self._driver
        options = {
            'provider_tree': self._tree,
            'supported_vgpu_types': [self._type_id],
            'pgpu_type_default': self._type_id,
            'mdev_classes': {'VGPU'},
        }
        before = {name: getattr(driver, name, None) for name in options}
        vars(driver).update(options)
        try:
            driver._allocate_mdevs(
                {self._provider: {'resources': {'VGPU': 1}}}
            )
        finally:
            vars(driver).update(before)


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
