"""What Nova's scheduler is in a benchmark: handlers, host states, requests."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from nova import objects
from nova.scheduler import filters
from nova.scheduler import host_manager
from nova.scheduler import weights


class Handlers:
    """Nova's handlers, with these filters and weighers."""

    def __init__(
        self, filters_: Sequence[Any], weighers: Sequence[Any]
    ) -> None:
        self._filter_handler = filters.HostFilterHandler()
        self._weight_handler = weights.HostWeightHandler()
        self._filters = filters_
        self._weighers = weighers

    def weigh(
        self,
        hosts: list[host_manager.HostState],
        spec: objects.RequestSpec,
    ) -> list[weights.WeighedHost]:
        """List the hosts that pass, the best one first."""
        passed = self._filter_handler.get_filtered_objects(
            self._filters, hosts, spec
        )
        weighed: list[weights.WeighedHost] = (
            self._weight_handler.get_weighed_objects(
                self._weighers, passed, spec
            )
        )
        return weighed


def compute_node(name: str, **values: Any) -> objects.ComputeNode:
    """Make a compute node with these values, and what all have alike."""
    alike: dict[str, Any] = {
        'local_gb': 0,
        'local_gb_used': 0,
        'free_disk_gb': 0,
        'disk_available_least': None,
        'cpu_allocation_ratio': 1.0,
        'ram_allocation_ratio': 1.0,
        'disk_allocation_ratio': 1.0,
        'numa_topology': None,
        'pci_device_pools': None,
        'host_ip': None,
        'hypervisor_type': 'QEMU',
        'hypervisor_version': 10_000_000,
        'hypervisor_hostname': name,
        'cpu_info': '',
        'supported_hv_specs': [],
        'metrics': None,
        'updated_at': None,
        'stats': {},
    }
    return objects.ComputeNode(**alike | values)


def request_spec(
    vcpus: int, memory_mb: int, **wanted: Any
) -> objects.RequestSpec:
    """Ask for a server; `wanted` are other fields of the request."""
    values = {
        'instance_uuid': str(uuid.uuid4()),
        'flavor': objects.Flavor(
            vcpus=vcpus,
            memory_mb=memory_mb,
            root_gb=0,
            ephemeral_gb=0,
            extra_specs={},
        ),
        'image': objects.ImageMeta(properties=objects.ImageMetaProps()),
        'numa_topology': None,
        'pci_requests': None,
        'scheduler_hints': {},
        'instance_group': None,
        'requested_resources': [],
    }
    return objects.RequestSpec(**values | wanted)
