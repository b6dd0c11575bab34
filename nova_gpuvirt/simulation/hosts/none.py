"""A host with neither a GPU nor an IOMMU."""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids


def host() -> description.Host:
    """Describe a host with neither a GPU nor an IOMMU."""
    functions = (
        parts.host_bridge('0000:00:00.0', 0x3EC2),
        *parts.ethernet(parts.root_port('0000:00:01.0', 0x1901), '0000:01'),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        iommu=False,
    )
