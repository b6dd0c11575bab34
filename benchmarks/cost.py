"""Filter and weigh many hosts for one request that asks for a GPU.

Each host has eight cards of ten profiles, all of them cut in some way, and
eight candidates, which the filter puts in order. A request is warm when the
hosts tell what they told before, as new texts, and cold when nothing was read
yet. What choices cost is kept for the flavors that were asked for last; a
flavor that was not is a row of its own. The peers are two of Nova's own
filters, for the same candidates of the same hosts: one is asked for two NUMA
cells, the other for a PCI device.

All run in Nova's handlers. The time is that of the processor, the least of
several requests, without the garbage collector, as timeit has it.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import resource
import time
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from nova import objects
from nova.scheduler import filters
from nova.scheduler import host_manager
from nova.scheduler import weights
from nova.scheduler.filters import numa_topology_filter
from nova.scheduler.filters import pci_passthrough_filter

from benchmarks import command
from benchmarks import cost_hosts
from benchmarks import scheduling
from benchmarks import table
from nova_gpuvirt.scheduler import filters as gpu_filters
from nova_gpuvirt.scheduler import state
from nova_gpuvirt.scheduler import weighers as gpu_weighers

_US = 1e6
_KIB = 1024
# What the design asks for: µs for a host, warm.
_TARGET = table.at_most(60)
_Hosts = Sequence[cost_hosts.Host]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--hosts', type=int, default=10_000, metavar='N')
    parser.add_argument(
        '--peer-hosts',
        type=int,
        default=500,
        metavar='N',
        help="on how many of them Nova's filters run (default: %(default)s)",
    )
    parser.add_argument('--repeats', type=int, default=5, metavar='N')


def run(args: argparse.Namespace) -> table.Table:
    """Measure it."""
    objects.register_all()
    hosts = [cost_hosts.Host(number) for number in range(args.hosts)]
    numa, pci = _theirs(hosts[: args.peer_hosts], args.repeats)
    us, memory = _ours(hosts, args.repeats)
    return table.Table(
        f'Filter and weigh {args.hosts} hosts for a request, each with '
        f'{cost_hosts.CARDS} candidates: of one host',
        (
            table.Row(
                'warm, a flavor seen before',
                'µs',
                us['same'],
                numa,
                _TARGET,
                note='peer: NUMATopologyFilter, two cells',
            ),
            table.Row(
                'the same',
                'µs',
                us['same'],
                pci,
                note='peer: PciPassthroughFilter, one device',
            ),
            table.Row(
                'warm, a flavor not seen before',
                'µs',
                us['other'],
                numa,
                note='peer: NUMATopologyFilter, two cells',
            ),
            table.Row(
                'cold: all summaries are read',
                'µs',
                us['cold'],
                numa,
                note='peer: NUMATopologyFilter, two cells',
            ),
            table.Row(
                "of these, in Nova's handlers",
                'µs',
                us['handlers'],
                note='with a filter and a weigher that do nothing',
            ),
            table.Row(
                'memory that is kept for one host',
                'KiB',
                memory / len(hosts) / _KIB,
                note='after requests of several flavors',
            ),
        ),
    )


class Scheduler:
    """Nova's handlers, whose time is taken."""

    def __init__(self, filters_: list[Any], weighers: list[Any]) -> None:
        self._handlers = scheduling.Handlers(filters_, weighers)

    def seconds(self, hosts: _Hosts, spec: objects.RequestSpec) -> float:
        """Filter and weigh hosts, and return how long it took."""
        asked = [host.asked() for host in hosts]
        gc.collect()
        gc.disable()
        begin = time.process_time()
        weighed = self._handlers.weigh(asked, spec)
        took = time.process_time() - begin
        gc.enable()
        if len(weighed) != len(hosts):
            raise RuntimeError(f'{len(weighed)} of {len(hosts)} hosts passed')
        return took


def _ours(hosts: _Hosts, repeats: int) -> tuple[dict[str, float], int]:
    """Measure ours: µs for a host by case, and bytes for all."""
    flavors = map(_spec, itertools.count(1))
    seen = _spec(1)
    ours = Scheduler([gpu_filters.GpuFilter()], [gpu_weighers.GpuWeigher()])
    idle = Scheduler([_NoFilter()], [_NoWeigher()])

    def least(seconds: Callable[[], float]) -> float:
        each = [seconds() for _ in range(repeats)]
        return _US * min(each) / len(hosts)

    def cold() -> float:
        state.fleet.cache_clear()
        return ours.seconds(hosts, seen)

    idle.seconds(hosts, seen)
    before = _resident()
    us = {
        'cold': least(cold),
        'other': least(lambda: ours.seconds(hosts, next(flavors))),
    }
    seen = next(flavors)
    ours.seconds(hosts, seen)
    us['same'] = least(lambda: ours.seconds(hosts, seen))
    us['handlers'] = least(lambda: idle.seconds(hosts, seen))
    return us, _resident() - before


def _theirs(hosts: _Hosts, repeats: int) -> list[float]:
    """Measure Nova's filters: µs for a host."""
    found = []
    for filter_, wanted in (
        (numa_topology_filter.NUMATopologyFilter(), _numa_topology()),
        (pci_passthrough_filter.PciPassthroughFilter(), _pci_requests()),
    ):
        spec = _spec(8, **wanted)
        nova = Scheduler([filter_], [])
        each = [nova.seconds(hosts, spec) for _ in range(repeats)]
        found.append(_US * min(each) / len(hosts))
    return found


class _NoFilter(filters.BaseHostFilter):
    def host_passes(
        self,
        host_state: host_manager.HostState,
        spec_obj: objects.RequestSpec,
    ) -> bool:
        return True


class _NoWeigher(weights.BaseHostWeigher):
    def _weigh_object(
        self,
        host_state: host_manager.HostState,
        weight_properties: objects.RequestSpec,
    ) -> float:
        return 0.0


def _resident() -> int:
    """Read how much memory this process has, in bytes."""
    gc.collect()
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _spec(vcpus: int, **wanted: Any) -> objects.RequestSpec:
    return scheduling.request_spec(vcpus, 2048 * vcpus, **wanted)


def _numa_topology() -> dict[str, Any]:
    cells = [
        objects.InstanceNUMACell(
            id=number,
            cpuset={4 * number + i for i in range(4)},
            pcpuset=set(),
            memory=8192,
            pagesize=None,
            cpu_pinning_raw=None,
            cpu_policy=None,
            cpu_thread_policy=None,
            cpuset_reserved=None,
        )
        for number in range(2)
    ]
    return {'numa_topology': objects.InstanceNUMATopology(cells=cells)}


def _pci_requests() -> dict[str, Any]:
    request = objects.InstancePCIRequest(
        count=1,
        spec=[
            {
                'vendor_id': cost_hosts.VENDOR,
                'product_id': cost_hosts.PRODUCT,
            }
        ],
        alias_name='fast',
        request_id=str(uuid.uuid4()),
        numa_policy=None,
    )
    requests = objects.InstancePCIRequests(requests=[request])
    return {'pci_requests': requests}


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
