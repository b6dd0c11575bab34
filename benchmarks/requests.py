"""Count what one claim and one idle update ask of Placement and libvirt.

The host has eight cards of 20 profiles each, of which a server gets one vGPU
of the smallest. Counted is what happens in a step of Nova's tracker, under
the lock that all claims of the host wait for. The peer is the same on a host
without GPUs, where Nova has its root provider alone.

Nova's report client reads the allocations of each provider in each update,
and sends a PUT for each custom class of an inventory before it writes the
inventory. What our driver asks by itself is counted apart, as are its calls
of libvirt, beside Nova's own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import threading
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from benchmarks import cloud  # isort: skip (Nova's harness has to be first)

from benchmarks import command
from benchmarks import hosts
from benchmarks import patching
from benchmarks import table
from nova_gpuvirt.simulation.hosts import none

_CLIENT = 'nova.scheduler.client.report.SchedulerReportClient'
_TRACKER = 'nova.compute.resource_tracker.ResourceTracker'
_REPORT = 'nova_gpuvirt.compute.reports.reporter.Reporter._report'
_PROFILE = 'nvidia-t4-1q'
_FLAVORS = {
    'no-gpus': {},
    'gpus': {'resources:CUSTOM_VGPU_NVIDIA_T4_1Q': '1'},
}
_STEPS = {
    'idle update': f'{_TRACKER}._update_available_resource',
    'claim': f'{_TRACKER}.instance_claim',
    'release': f'{_TRACKER}.update_usage',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One request to Placement; `ours` is whether our driver made it."""

    method: str
    url: str
    ours: bool

    @property
    def is_write(self) -> bool:
        """Tell whether it changes a provider: a PUT of a class does not."""
        changes = self.method != 'get'
        return changes and self.url.startswith('/resource_providers')


def run(args: argparse.Namespace) -> table.Table:
    """Count."""
    requests, calls = cloud.measure(_count)
    rows = [row for step in _STEPS for row in _rows(step, requests[step])]
    rows.append(
        table.Row(
            'idle update: our calls of libvirt',
            'calls',
            len(calls),
            target=table.at_most(0),
            note=', '.join(sorted(set(calls))),
        )
    )
    return table.Table(
        'Requests to Placement, of a host with 8 cards of 20 profiles',
        tuple(rows),
    )


def _rows(step: str, by_host: dict[str, list[Request]]) -> list[table.Row]:
    here, there = by_host['gpus'], by_host['no-gpus']
    own = Counter(r.url for r in here if r.ours)
    idle = step == 'idle update'
    kinds = Counter(
        f'{r.method.upper()} {r.url.split("?")[0].split("/")[1]}' for r in here
    )
    return [
        table.Row(
            f'{step}: all requests',
            'requests',
            len(here),
            len(there),
            note=', '.join(f'{n} {kind}' for kind, n in kinds.items()),
        ),
        table.Row(
            f'{step}: what our driver asks of a provider',
            'reads',
            max(own.values(), default=0),
            target=table.at_most(0 if idle else 1),
            note=f'{own.total()} in all',
        ),
        table.Row(
            f'{step}: writes to providers',
            'writes',
            sum(r.is_write for r in here),
            sum(r.is_write for r in there),
            table.at_most(0 if idle else 2),
        ),
    ]


def _count(
    bench: cloud.Cloud,
) -> tuple[dict[str, dict[str, list[Request]]], list[str]]:
    # Else the first vGPU of a card changes what VGPU is, and its traits.
    bench.flags(default_profile=[_PROFILE], group='gpuvirt')
    bench.start('no-gpus', none.host())
    driver = bench.start('gpus', hosts.mdevs())
    connection = _Counted(driver._machine.hypervisor._connect)
    driver._machine.hypervisor._connect = lambda: connection
    for host, spec in _FLAVORS.items():
        bench.boot(spec, az=f'nova:{host}')
    bench.run_periodic()
    counts: dict[str, dict[str, list[Request]]] = {s: {} for s in _STEPS}
    calls: list[str] = []
    for host, spec in _FLAVORS.items():
        connection.calls.clear()
        with _counted(_STEPS['idle update']) as counts['idle update'][host]:
            bench.run_periodic(host)
        calls += connection.calls
        with _counted(_STEPS['claim']) as counts['claim'][host]:
            server = bench.boot(spec, az=f'nova:{host}')
        with _counted(_STEPS['release']) as counts['release'][host]:
            bench._delete_server(server)
    return counts, calls


class _Counted:
    """A connection to libvirt that notes its calls."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._connect(), name)


@contextlib.contextmanager
def _counted(step: str) -> Iterator[list[Request]]:
    """Note the requests that are made in a step, a method by its full name."""
    found: list[Request] = []
    within = threading.local()

    def noted(method: str) -> Callable[[Any], Callable[..., Any]]:
        def wrapper_of(original: Any) -> Callable[..., Any]:
            def ask(client: Any, url: str, *args: Any, **kwargs: Any) -> Any:
                if getattr(within, step, False):
                    ours = getattr(within, _REPORT, False)
                    found.append(Request(method, url, ours))
                return original(client, url, *args, **kwargs)

            return ask

        return wrapper_of

    @contextlib.contextmanager
    def marked(name: str) -> Iterator[None]:
        setattr(within, name, True)
        try:
            yield
        finally:
            setattr(within, name, False)

    with contextlib.ExitStack() as stack:
        for name in (step, _REPORT):
            stack.enter_context(
                patching.around(name, functools.partial(marked, name))
            )
        for method in ('get', 'put', 'post', 'delete'):
            stack.enter_context(
                patching.wrap(f'{_CLIENT}.{method}', noted(method))
            )
        yield found


if __name__ == '__main__':
    command.main(run, __doc__)
