"""Where a guest is that Nova has just claimed: beside its GPUs, if it can be.

The scheduler chooses the card of a guest. Nova's tracker chooses its cells of
the host, and knows nothing of the card. So a guest that arrives gets other
cells before it is built, and never later.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova import utils
from nova.compute import resource_tracker
from nova.compute import vm_states
from nova.virt import hardware

from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import model
from nova_gpuvirt.numa import fit

LOG = logging.getLogger(__name__)

# How long a guest waits for others that the host builds, for all of them and
# between two looks.
_WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.5

Places = Mapping[model.Device, int | None]
"""The NUMA node of each card, None where it is not known."""


def places(
    gpus: Collection[model.Gpu], claims: Iterable[model.Claim]
) -> Places:
    """Tell on which node each card is that something is claimed of."""
    slots = [slot for claim in claims if (slot := claim.slot) is not None]
    devices = {part.device for slot in slots for part in slot.parts}
    return {
        gpu.address: gpu.function.numa_node if gpu.function else None
        for gpu in gpus
        if any(gpu.holds(device) for device in devices)
    }


@dataclasses.dataclass(frozen=True, slots=True)
class _Arrival:
    """A guest that shall go to the nodes of its cards."""

    instance: objects.Instance
    nodes: set[int]
    settled: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )


class Pinning:
    """The NUMA cells that Nova's tracker claims for guests.

    :param host: this host, as Nova names it
    :param tracker: returns Nova's resource tracker, once there is one
    :param places: tells where an instance's cards are, as `places` does
    """

    def __init__(
        self,
        host: str,
        tracker: Callable[[], Any],
        places: Callable[[objects.Instance], Places],
    ) -> None:
        self._host = host
        self._tracker = tracker
        self._places = places
        # Those that wait for one another's cells, under the tracker's lock.
        self._waiting: dict[str, _Arrival] = {}
        self._locked = utils.synchronized(
            resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True
        )

    def settle(self, instance: objects.Instance) -> None:
        """See that a guest is where its flavor wants it; move it there.

        To be called after its claim and before anything is made.

        :raises ClaimRefused: when it has to be there and can't
        :raises RequestImpossible: when it has no cells to be moved, or the
            flavor's policy is unknown
        """
        policy = extra_specs.numa_policy(instance.flavor.extra_specs)
        places = self._far(instance, policy)
        if not places:
            return
        arrival = _Arrival(instance, _nodes(places))
        if self._locked(self._settle)(arrival) or self._wait(arrival):
            return
        here = _listed(fit.nodes_of(instance.numa_topology))
        if policy is extra_specs.NumaPolicy.REQUIRED:
            raise _refused(
                instance,
                places,
                f'the guest on {here}, and no room for it there',
            )
        LOG.info(
            'The guest of instance %s stays on NUMA nodes %s, far from its '
            'GPUs on %s: it does not fit there',
            instance.uuid,
            here,
            _listed(arrival.nodes),
        )

    def _settle(self, arrival: _Arrival) -> bool:
        """Move a guest, together with some that wait if it has to be."""
        waiting = tuple(self._waiting.values())
        for others in ((), *((other,) for other in waiting), waiting):
            # One that was deleted meanwhile waits no more.
            if not all(o.instance.uuid in self._waiting for o in others):
                continue
            if self._move((*others, arrival)):
                for other in others:
                    del self._waiting[other.instance.uuid]
                    other.settled.set()
                return True
        self._waiting[arrival.instance.uuid] = arrival
        return False

    def _wait(self, arrival: _Arrival) -> bool:
        """Wait for another that arrives too, and would change places."""
        until = time.monotonic() + _WAIT_SECONDS
        uuid = arrival.instance.uuid
        try:
            while time.monotonic() < until and self._are_others_built(uuid):
                if arrival.settled.wait(_PAUSE_SECONDS):
                    break
        finally:
            self._locked(self._waiting.pop)(uuid, None)
        return arrival.settled.is_set()

    def _are_others_built(self, uuid: str) -> bool:
        """Tell whether this host builds another guest now."""
        return any(
            instance.uuid != uuid
            for instance in objects.InstanceList.get_by_filters(
                nova_context.get_admin_context(),
                {
                    'host': self._host,
                    'vm_state': vm_states.BUILDING,
                    'deleted': False,
                },
                expected_attrs=[],
            )
        )

    def _far(
        self, instance: objects.Instance, policy: extra_specs.NumaPolicy
    ) -> Places:
        """Tell where its cards are, if its guest has to go there still."""
        if policy is extra_specs.NumaPolicy.NONE:
            return {}
        required = policy is extra_specs.NumaPolicy.REQUIRED
        if instance.numa_topology is None and not required:
            return {}
        places = self._places(instance)
        if instance.numa_topology is None:
            if places:
                raise exception.RequestImpossible(
                    f'instance {instance.uuid}',
                    wanted='its guest on the NUMA nodes of its GPUs',
                    found=extra_specs.NO_TOPOLOGY,
                    remedy='or leave the policy out of the flavor',
                )
            return {}
        here = fit.nodes_of(instance.numa_topology)
        return {} if _nodes(places) <= here else places

    def _move(self, arrivals: Collection[_Arrival]) -> bool:
        """Give guests other cells: in the tracker, and wherever it is kept.

        To be called under the tracker's lock, so that no update of the
        tracker, which reads the database, sees one without the other. Their
        threads are here, so nobody else looks at these instances.
        """
        node = self._node()
        host = _host(node)
        if host is None:
            return False
        try:
            for arrival in arrivals:
                host = hardware.numa_usage_from_instance_numa(
                    host, arrival.instance.numa_topology, free=True
                )
            fitted = []
            for arrival in arrivals:
                nodes = arrival.nodes | _pci_nodes(arrival.instance)
                cells = _fit(node, host, arrival.instance, nodes)
                if cells is None:
                    return False
                host = hardware.numa_usage_from_instance_numa(host, cells)
                fitted.append(cells)
        except nova_exception.NovaException as error:
            LOG.warning(
                'The guests of instances %s can not be moved: %s',
                ', '.join(arrival.instance.uuid for arrival in arrivals),
                error,
            )
            return False
        # All are read before one is changed.
        saved = [self._read(arrival.instance) for arrival in arrivals]
        if None in saved:
            return False
        for arrival, found, cells in zip(arrivals, saved, fitted, strict=True):
            self._save(arrival.instance, found, cells)
        node.numa_topology = host._to_json()
        node.save()
        return True

    def _node(self) -> objects.ComputeNode:
        (node,) = self._tracker().compute_nodes.values()
        return node

    def _read(self, instance: objects.Instance) -> objects.Instance | None:
        """Read it anew; None for one that waited and was deleted.

        Nova would take its InstanceNotFound for the end of who arrives.
        """
        try:
            return objects.Instance.get_by_uuid(
                nova_context.get_admin_context(),
                instance.uuid,
                expected_attrs=['numa_topology', 'migration_context'],
            )
        except nova_exception.InstanceNotFound:
            if self._waiting.pop(instance.uuid, None) is None:
                raise
            return None

    def _save(
        self,
        instance: objects.Instance,
        saved: objects.Instance,
        fitted: objects.InstanceNUMATopology,
    ) -> None:
        """Change the instance, and what it becomes when its move is done.

        Nothing else of it is saved: some fields of a server that is
        evacuated are changed for the time of the build only.
        """
        if saved.migration_context is not None:
            saved.migration_context.new_numa_topology = fitted
            instance.migration_context.new_numa_topology = fitted
        # One that is evacuated is of the other host still.
        if instance.host == self._host:
            saved.numa_topology = fitted
        saved.save()
        LOG.info(
            'The guest of instance %s goes to NUMA nodes %s, to its GPUs, '
            'and not to %s',
            instance.uuid,
            _listed(fit.nodes_of(fitted)),
            _listed(fit.nodes_of(instance.numa_topology)),
        )
        instance.numa_topology = fitted


def _host(node: objects.ComputeNode) -> objects.NUMATopology | None:
    if not node.numa_topology:
        return None
    return objects.NUMATopology.obj_from_db_obj(node.numa_topology)


def _fit(
    node: objects.ComputeNode,
    host: objects.NUMATopology | None,
    instance: objects.Instance,
    nodes: set[int],
) -> objects.InstanceNUMATopology | None:
    """Fit it anew; near the networks that Nova may have chosen cells for."""
    if host is None:
        return None
    before = fit.nodes_of(instance.numa_topology)
    networks = fit.networks_of(c for c in host.cells if c.id in before)
    return fit.fit(
        host, instance.numa_topology, nodes, fit.limits(node), networks
    )


def _pci_nodes(instance: objects.Instance) -> set[int]:
    """List the guest's nodes where it has PCI devices of Nova's own."""
    devices = instance.pci_devices or ()
    mine = fit.nodes_of(instance.numa_topology)
    return {d.numa_node for d in devices if d.numa_node in mine}


def _refused(
    instance: objects.Instance,
    places: Places,
    found: str,
) -> exception.ClaimRefused:
    at = ', '.join(f'{card} on node {node}' for card, node in places.items())
    return exception.ClaimRefused(
        f'instance {instance.uuid}',
        wanted=f'it on the NUMA nodes of its GPUs ({at})',
        found=found,
        remedy=exception.ELSEWHERE,
    )


def _nodes(places: Places) -> set[int]:
    return {node for node in places.values() if node is not None}


def _listed(nodes: Iterable[int]) -> str:
    return ', '.join(map(str, sorted(nodes)))
