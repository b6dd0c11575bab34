"""Four NVIDIA T4 with mdev types on the cards, in two NUMA nodes.

BARs, link and the SR-IOV capability are as ``lspci -vvv`` showed them on
hosts with T4: the capability is there, although vGPUs of a T4 need no VFs,
and the driver does not obey ``sriov_numvfs``. The size of a VF's BAR 0 is
unverified. The names of types, their ids and limits are those of a host with
NVIDIA's driver; ids differ between branches of it.
"""

from __future__ import annotations

import re

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_WORKSTATION_1G = (4, 60, '5120x2880')
_WORKSTATION = (4, 60, '7680x4320')
_DESKTOP = (4, 45, '5120x2880')
_APPLICATIONS = (1, 60, '1280x1024')
_COMPUTE = (1, 60, '4096x2160')

_SERIES = (
    (222, '1B', _DESKTOP),
    (223, '2B', _DESKTOP),
    (224, '2B4', _DESKTOP),
    (225, '1A', _APPLICATIONS),
    (226, '2A', _APPLICATIONS),
    (227, '4A', _APPLICATIONS),
    (228, '8A', _APPLICATIONS),
    (229, '16A', _APPLICATIONS),
    (230, '1Q', _WORKSTATION_1G),
    (231, '2Q', _WORKSTATION),
    (232, '4Q', _WORKSTATION),
    (233, '8Q', _WORKSTATION),
    (234, '16Q', _WORKSTATION),
    (252, '1B4', _DESKTOP),
    (319, '4C', _COMPUTE),
    (320, '8C', _COMPUTE),
    (321, '16C', _COMPUTE),
)


def _types() -> tuple[nvidia.VgpuType, ...]:
    types = []
    for number, profile, (heads, frl, resolution) in _SERIES:
        gib, series = re.findall(r'\d+|[A-Z]', profile)[:2]
        types.append(
            nvidia.VgpuType(
                number,
                f'GRID T4-{profile}',
                framebuffer=1024 * int(gib),
                max_instance=16 // int(gib),
                heads=heads,
                frl=frl,
                resolution=resolution,
                per_vm=vgpu_cards.PER_VM if series in 'CQ' else 1,
            )
        )
    return tuple(types)


TYPES = _types()
"""The vGPU types of one T4 (16 GiB)."""


def card(address: str, behind: str, numa_node: int) -> description.Function:
    """Describe one T4."""
    return description.Function(
        address=address,
        vendor=0x10DE,
        device=0x1EB8,
        subsystem=(0x10DE, 0x12A2),
        class_code=description.DISPLAY_3D,
        driver='nvidia',
        revision=0xA1,
        behind=behind,
        numa_node=numa_node,
        bars=_bars(16 * parts.MIB),
        link=parts.GEN3,
        reset_method='bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=16,
            device=0,
            offset=4,
            bars=_bars(256 * parts.KIB),
            configurable=False,
        ),
        mdev=mdev.Nvidia(TYPES),
        pf_driver=nvidia_card.NvidiaCard(
            TYPES, nvidia.EqualSize(), '7.5', sr_iov=False
        ),
    )


def host() -> description.Host:
    """Describe four NVIDIA T4 with mdev types, in two NUMA nodes."""
    functions: list[description.Function] = [
        parts.host_bridge('0000:00:00.0', 0x2020, numa_node=0),
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0xA190, numa_node=0),
            '0000:02:00.0',
            '0000:03:00.0',
            iommu_group=20,
        ),
        *parts.ethernet(
            parts.root_port('0000:17:00.0', 0x2030, numa_node=0), '0000:18'
        ),
    ]
    for bus, numa_node in ((0x3B, 0), (0x5E, 0), (0xAF, 1), (0xD8, 1)):
        port = f'0000:{bus - 1:02x}:00.0'
        functions += (
            parts.root_port(port, 0x2030, numa_node=numa_node),
            card(f'0000:{bus:02x}:00.0', port, numa_node),
        )
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-23,48-71', '24-47,72-95'),
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )


def _bars(registers: int) -> tuple[description.Bar, ...]:
    high = description.BarKind.PREFETCHABLE_64
    return (
        description.Bar(0, registers),
        description.Bar(1, 256 * parts.MIB, high),
        description.Bar(3, 32 * parts.MIB, high),
    )
