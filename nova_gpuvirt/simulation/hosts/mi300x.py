"""Eight AMD Instinct MI300X, each divided into eight VFs (CPX, NPS4).

Ids, classes, the subsystem and the place of the first VF are as the
documentation of AMD's GPU operator shows them, and the 256 GiB of BAR 0 as
guests that have a whole card do. Unverified: all other BARs, and that BAR 0
of a VF is 32 GiB, the power of two that holds its 24 GiB. The buses and the
processor are those of no particular server.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gim
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_ACCELERATOR = 0x120000
PLACES = (
    ('0000:05', 0),
    ('0000:26', 0),
    ('0000:46', 0),
    ('0000:65', 0),
    ('0000:85', 1),
    ('0000:a6', 1),
    ('0000:c6', 1),
    ('0000:e5', 1),
)


def card(address: str, behind: str, numa_node: int) -> description.Function:
    """Describe one MI300X."""
    return description.Function(
        address=address,
        vendor=0x1002,
        device=0x74A1,
        subsystem=(0x1002, 0x74A1),
        class_code=_ACCELERATOR,
        driver='gim',
        behind=behind,
        numa_node=numa_node,
        bars=bars(256 * parts.GIB),
        link=parts.GEN5,
        reset_method='bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=8,
            device=0x74B5,
            offset=16,
            bars=bars(32 * parts.GIB),
            enabled=8,
            configurable=False,
        ),
        pf_driver=gim.Gim(partitions=8, memory=4, vram=192 * parts.GIB),
    )


def host() -> description.Host:
    """Describe eight AMD Instinct MI300X with 8 VFs on each, CPX and NPS4."""
    functions = [
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0x1BB8, numa_node=0),
            '0000:01:00.0',
            '0000:02:00.0',
            iommu_group=20,
        ),
        *vgpu_cards.behind_ports(card, PLACES),
    ]
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-47,96-143', '48-95,144-191'),
        mdev=False,
    )


def bars(memory: int) -> tuple[description.Bar, ...]:
    """Describe the BARs of a card or a VF with so much memory."""
    high = description.BarKind.PREFETCHABLE_64
    return (
        description.Bar(0, memory, high),
        description.Bar(2, 2 * parts.MIB, high),
        description.Bar(5, 512 * parts.KIB),
    )
