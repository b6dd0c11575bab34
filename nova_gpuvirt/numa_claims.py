"""Where a guest is that Nova has just claimed: beside its GPUs, if it can be.

Which card a guest gets is settled when the scheduler claims it. Which cells
of the host it gets is settled by Nova's tracker, that knows nothing of the
card. So other cells are chosen for the guest before it is made.
"""

from __future__ import annotations

import logging
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
from nova.compute import stats
from nova.virt import hardware

from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import model
from nova_gpuvirt import numa

LOG = logging.getLogger(__name__)


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


class Counts(stats.Stats):
    """The counts of a node's instances, that also see each claim.

    Nova's tracker counts an instance here when it has claimed its cells and
    its GPUs, before it takes the cells off the node, under its lock. Nobody
    else is called then with the instance.
    """

    claimed: Callable[[objects.Instance], None]

    def update_stats_for_instance(
        self, instance: objects.Instance, is_removed: bool = False
    ) -> None:
        """Count it, and tell of it if it has just been claimed."""
        super().update_stats_for_instance(instance, is_removed)
        # Nova saves its GPUs with it, later.
        if not is_removed and 'resources' in instance.obj_what_changed():
            self.claimed(instance)


class NumaClaims:
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

    def watch(self, nodename: str) -> None:
        """See each claim from now on; to be called under Nova's lock."""
        counts = self._tracker().stats[nodename]
        if not isinstance(counts, Counts):
            counts.__class__ = Counts
            counts.claimed = self._claimed

    def settle(self, instance: objects.Instance) -> None:
        """See that a guest is where its flavor wants it; move it there.

        To be called after its claim and before anything is made.

        :raises ClaimRefused: when it has to be there and can't
        :raises InvalidOption: when the flavor's policy is unknown
        """
        policy = extra_specs.numa_policy(instance.flavor.extra_specs)
        places = self._far(instance, policy)
        if not places:
            return
        locked = utils.synchronized(
            resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True
        )
        if locked(self._move)(instance, _nodes(places)):
            return
        here = _listed(numa.nodes_of(instance.numa_topology))
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
            _listed(_nodes(places)),
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
                raise _refused(instance, places, extra_specs.NO_TOPOLOGY)
            return {}
        here = numa.nodes_of(instance.numa_topology)
        return {} if _nodes(places) <= here else places

    def _claimed(self, instance: objects.Instance) -> None:
        """Choose other cells before Nova counts those that it chose.

        So servers that are claimed at once never hold each other's cells.
        What can't be done here is left to `settle`, which says why.
        """
        if instance.pci_requests and instance.pci_requests.requests:
            return  # which devices it gets is not known yet
        try:
            policy = extra_specs.numa_policy(instance.flavor.extra_specs)
            places = self._far(instance, policy)
            if places:
                node = self._node()
                fitted = _fit(node, _host(node), instance, _nodes(places))
                if fitted is not None:
                    self._save(instance, fitted)
        except exception.GpuvirtError:
            return
        except Exception:
            # An error here would leak what was claimed.
            LOG.exception(
                'The NUMA nodes of instance %s are not chosen yet',
                instance.uuid,
            )

    def _move(self, instance: objects.Instance, nodes: set[int]) -> bool:
        """Give a guest other cells: in the tracker, and wherever it is kept.

        Both are changed under the tracker's lock, so that no update of the
        tracker, which reads the database, sees one without the other.
        """
        node = self._node()
        nodes = nodes | _pci_nodes(instance)
        try:
            free = hardware.numa_usage_from_instance_numa(
                _host(node), instance.numa_topology, free=True
            )
            fitted = _fit(node, free, instance, nodes)
            if fitted is None:
                return False
            used = hardware.numa_usage_from_instance_numa(free, fitted)
        except nova_exception.NovaException as error:
            LOG.warning(
                'The guest of instance %s can not be moved: %s',
                instance.uuid,
                error,
            )
            return False
        self._save(instance, fitted)
        node.numa_topology = used._to_json()
        node.save()
        return True

    def _node(self) -> objects.ComputeNode:
        (node,) = self._tracker().compute_nodes.values()
        return node

    def _save(
        self,
        instance: objects.Instance,
        fitted: objects.InstanceNUMATopology,
    ) -> None:
        """Change the instance, and what it becomes when its move is done.

        Nothing else of it is saved: some fields of a server that is
        evacuated are changed for the time of the build only.
        """
        saved = objects.Instance.get_by_uuid(
            nova_context.get_admin_context(),
            instance.uuid,
            expected_attrs=['numa_topology', 'migration_context'],
        )
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
            _listed(numa.nodes_of(fitted)),
            _listed(numa.nodes_of(instance.numa_topology)),
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
    before = numa.nodes_of(instance.numa_topology)
    networks = numa.networks_of(c for c in host.cells if c.id in before)
    return numa.fit(
        host, instance.numa_topology, nodes, numa.limits(node), networks
    )


def _pci_nodes(instance: objects.Instance) -> set[int]:
    """List the guest's nodes where it has PCI devices of Nova's own."""
    devices = instance.pci_devices or ()
    mine = numa.nodes_of(instance.numa_topology)
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
        remedy='Nova tries another host, where it still can',
    )


def _nodes(places: Places) -> set[int]:
    return {node for node in places.values() if node is not None}


def _listed(nodes: Iterable[int]) -> str:
    return ', '.join(map(str, sorted(nodes)))
