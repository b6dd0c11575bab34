"""Whether a guest fits beside its GPUs, by Nova's own measure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import objects
from nova.objects import fields
from nova.virt import hardware

from nova_gpuvirt.numa import seating


def limits(host: Any) -> objects.NUMATopologyLimits:
    """Give the limits that Nova holds a host to.

    :param host: a compute node or a host state
    """
    return objects.NUMATopologyLimits(
        cpu_allocation_ratio=host.cpu_allocation_ratio,
        ram_allocation_ratio=host.ram_allocation_ratio,
    )


def nodes_of(guest: objects.InstanceNUMATopology) -> frozenset[int]:
    """List the host's nodes that a fitted guest is on."""
    return frozenset(cell.id for cell in guest.cells)


def fit(
    host: objects.NUMATopology | None,
    guest: objects.InstanceNUMATopology,
    nodes: Collection[int],
    limits: objects.NUMATopologyLimits,
    networks: objects.NetworkMetadata | None = None,
    pci: tuple[Any, Any] = (None, None),
) -> objects.InstanceNUMATopology | None:
    """Fit a guest so that it has a cell on each of these nodes of the host.

    Nova's own function takes the first cells that are good enough, and may
    pin a guest of several cells wrongly when some don't fit: it remembers
    what fits by an id that it changes. So it is asked of one cell at a time.

    :param nodes: the nodes where its GPUs are
    :param networks: those that have to be near, where the host has them so
    :param pci: the requests for Nova's own PCI devices, and what is left
    :return: None where it does not fit
    """
    if host is None or not len(nodes) <= len(guest) <= len(host):
        return None
    by_id = {cell.id: cell for cell in host.cells}
    if not {*nodes} <= by_id.keys():
        return None
    policy = _emulator_policy(guest)

    @functools.cache
    def one(node: int, index: int) -> objects.InstanceNUMACell | None:
        cell = guest.cells[index].obj_clone()
        fitted = hardware.numa_fit_instance_to_host(
            objects.NUMATopology(cells=[by_id[node]]),
            objects.InstanceNUMATopology(
                cells=[cell],
                # The emulator has its CPU on the guest's first cell.
                emulator_threads_policy=None if index else policy,
            ),
            None,
            limits=limits,
        )
        return fitted and fitted.cells[0]

    # Cells that are alike fit on the same nodes. The largest fits nowhere
    # first.
    alike: dict[tuple[object, ...], list[int]] = {}
    options: dict[int, list[int]] = {}
    for index, cell in sorted(enumerate(guest.cells), key=_size, reverse=True):
        shape = (None if index else policy, *_shape(cell))
        if shape not in alike:
            alike[shape] = [node for node in by_id if one(node, index)]
        if not alike[shape]:
            return None
        options[index] = alike[shape]
    seats = seating.seats(
        [options[index] for index in range(len(guest))],
        frozenset(nodes),
        _near(by_id, networks) if networks else (),
        _support(*pci),
        _marks(host.cells, *pci),
    )
    if seats is None:
        return None
    return objects.InstanceNUMATopology(
        cells=[one(node, index) for index, node in enumerate(seats)],
        emulator_threads_policy=policy,
    )


def _size(each: tuple[int, objects.InstanceNUMACell]) -> tuple[int, int]:
    _, cell = each
    return len(cell.pcpuset) + len(cell.cpuset), cell.memory


def _shape(cell: objects.InstanceNUMACell) -> tuple[object, ...]:
    """Name all that decides where a cell fits."""
    return (
        len(cell.cpuset),
        len(cell.pcpuset),
        cell.memory,
        cell.pagesize if 'pagesize' in cell else None,
        cell.cpu_policy,
        cell.cpu_thread_policy,
    )


def _support(requests: Any, stats: Any) -> Callable[[frozenset[int]], bool]:
    """Make what tells whether Nova's own PCI devices are near to nodes.

    Nova looks at nothing of a cell but its node.
    """

    def supports(nodes: frozenset[int]) -> bool:
        cells = [objects.InstanceNUMACell(id=node) for node in sorted(nodes)]
        supported: bool = stats.support_requests(requests, None, cells)
        return supported

    return supports if requests else lambda nodes: True


def _emulator_policy(guest: objects.InstanceNUMATopology) -> str | None:
    if 'emulator_threads_policy' not in guest:
        return None
    policy: str | None = guest.emulator_threads_policy
    return policy


def _marks(
    cells: Iterable[objects.NUMACell], requests: Any, stats: Any
) -> dict[int, Hashable]:
    """Name what Nova tells nodes apart by, as it looks for PCI devices.

    It is the devices that are left there, and for some requests the socket.
    """
    if not requests:
        return {cell.id: None for cell in cells}
    near = {p['numa_node'] for p in stats.pools if p['count']}
    by_socket = any(
        'numa_policy' in request
        and request.numa_policy == fields.PCINUMAAffinityPolicy.SOCKET
        for request in requests
    )
    return {
        cell.id: (
            cell.id if cell.id in near else None,
            cell.socket if by_socket and 'socket' in cell else None,
        )
        for cell in cells
    }


def networks_of(
    cells: Iterable[objects.NUMACell],
) -> objects.NetworkMetadata:
    """List the networks that are near some of these cells."""
    near = [c.network_metadata for c in cells if 'network_metadata' in c]
    return objects.NetworkMetadata(
        physnets={physnet for each in near for physnet in each.physnets},
        tunneled=any(each.tunneled for each in near),
    )


def _near(
    host: Mapping[int, objects.NUMACell], wanted: objects.NetworkMetadata
) -> list[frozenset[int]]:
    """List the nodes near each wanted network that any node is near to."""
    near = {node: networks_of([cell]) for node, cell in host.items()}
    groups = [
        frozenset(n for n, here in near.items() if physnet in here.physnets)
        for physnet in sorted(wanted.physnets)
    ]
    if wanted.tunneled:
        groups.append(frozenset(n for n, h in near.items() if h.tunneled))
    return [group for group in groups if group]
