"""Whether a guest fits beside its GPUs, by Nova's own measure."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import objects
from nova.virt import hardware


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
    if host is None or not {*nodes} <= {cell.id for cell in host.cells}:
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

    by_id = {cell.id: cell for cell in host.cells}
    requests, stats = pci
    for chosen in itertools.permutations(by_id, len(guest)):
        if not {*nodes} <= {*chosen}:
            continue
        cells = [one(node, index) for index, node in enumerate(chosen)]
        if any(cell is None for cell in cells):
            continue
        if networks and not _reach(by_id, chosen, networks):
            continue
        if requests and not stats.support_requests(requests, None, cells):
            continue
        return objects.InstanceNUMATopology(
            cells=cells, emulator_threads_policy=policy
        )
    return None


def _emulator_policy(guest: objects.InstanceNUMATopology) -> str | None:
    if 'emulator_threads_policy' not in guest:
        return None
    policy: str | None = guest.emulator_threads_policy
    return policy


def networks_of(
    cells: Iterable[objects.NUMACell],
) -> objects.NetworkMetadata:
    """List the networks that are near some of these cells."""
    near = [c.network_metadata for c in cells if 'network_metadata' in c]
    return objects.NetworkMetadata(
        physnets={physnet for each in near for physnet in each.physnets},
        tunneled=any(each.tunneled for each in near),
    )


def _reach(
    host: Mapping[int, objects.NUMACell],
    chosen: Iterable[int],
    wanted: objects.NetworkMetadata,
) -> bool:
    """Tell whether nodes are near those of the networks that any node is."""
    here = networks_of(host[node] for node in chosen)
    anywhere = networks_of(host.values())
    missing = wanted.physnets & anywhere.physnets - here.physnets
    far = wanted.tunneled and anywhere.tunneled and not here.tunneled
    return not missing and not far
