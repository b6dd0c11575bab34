"""A server with an Intel iGPU that is free, since its BMC has the screen.

So the iGPU can be given whole to one guest (GVT-d).
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids


def host() -> description.Host:
    """Describe an Intel iGPU for one guest, beside a BMC."""
    igpu = dataclasses.replace(
        parts.intel_gpu(0x3E92, (0x1028, 0x085A)),
        boot_vga=False,
        bars=(
            description.Bar(0, 16 * parts.MIB, description.BarKind.MEMORY_64),
            description.Bar(
                2, 256 * parts.MIB, description.BarKind.PREFETCHABLE_64
            ),
            description.Bar(4, 64, description.BarKind.IO),
        ),
        drm=('card1', 'renderD128'),
    )
    functions = (
        parts.host_bridge('0000:00:00.0', 0x3EC2),
        igpu,
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0xA190),
            '0000:02:00.0',
            '0000:03:00.0',
            iommu_group=20,
        ),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-11',),
        physical_bits=39,
    )
