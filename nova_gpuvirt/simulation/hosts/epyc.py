"""A server with an AMD EPYC 7003 and an A100 that is free.

A root port of these processors is a function of the same device as a dummy
host bridge. Where they can't keep what is behind them apart (no ACS), the
card's IOMMU group holds both: github.com/kata-containers/kata-containers
issue 6663 has such a group, with the numbers of the two bridges. The host
bridge has no driver.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

BRIDGE = '0000:40:03.0'
CARD = '0000:41:00.0'

_PORT = '0000:40:03.1'
_GROUP = 44
_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe an NVIDIA A100 with an EPYC's host bridge in its group."""
    functions = (
        parts.host_bridge('0000:40:00.0', 0x1480, vendor=parts.AMD),
        parts.host_bridge(
            BRIDGE, 0x1482, vendor=parts.AMD, iommu_group=_GROUP
        ),
        parts.root_port(
            _PORT,
            0x1483,
            vendor=parts.AMD,
            link=parts.GEN4,
            iommu_group=_GROUP,
        ),
        description.Function(
            address=CARD,
            vendor=0x10DE,
            device=0x20B5,
            subsystem=(0x10DE, 0x1533),
            class_code=description.DISPLAY_3D,
            driver='vfio-pci',
            revision=0xA1,
            behind=_PORT,
            bars=(
                description.Bar(0, 16 * parts.MIB),
                description.Bar(1, 128 * parts.GIB, _HIGH),
                description.Bar(3, 32 * parts.MIB, _HIGH),
            ),
            link=parts.GEN4,
            iommu_group=_GROUP,
            reset_method='flr bus',
            aer=True,
        ),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-63',),
        physical_bits=48,
    )
