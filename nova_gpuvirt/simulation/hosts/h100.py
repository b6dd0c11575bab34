"""Eight NVIDIA H100 SXM5 80GB, prepared for passthrough.

Addresses, classes and BARs are as ``lspci`` showed them on hosts of this
kind, without the switches between root ports and cards. The host has no
NVIDIA driver: the GPUs are bound to vfio-pci from its start, the NVSwitches
to nothing. The numbers of the GPUs' SR-IOV capability are unverified; with
vfio-pci it can't be used.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

_GPUS = (
    (0x1B, 0),
    (0x43, 0),
    (0x52, 0),
    (0x61, 0),
    (0x9D, 1),
    (0xC3, 1),
    (0xD1, 1),
    (0xDF, 1),
)
NVSWITCHES = (0x07, 0x08, 0x09, 0x0A)
_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe eight NVIDIA H100 SXM5 80GB for passthrough."""
    functions: list[description.Function] = [
        *parts.bmc_display(
            parts.root_port('0000:00:0c.0', 0x1BB8, numa_node=0),
            '0000:03:00.0',
            '0000:04:00.0',
            iommu_group=40,
        ),
    ]
    for number, bus in enumerate(NVSWITCHES):
        above = port(f'0000:00:{0x10 + number:02x}.0', 0)
        functions += (above, nvswitch(f'0000:{bus:02x}:00.0', above))
    for bus, numa_node in _GPUS:
        above = port(f'0000:{bus - 1:02x}:01.0', numa_node)
        functions += (above, gpu(f'0000:{bus:02x}:00.0', above))
    above = port('0000:29:01.0', 0)
    functions += (above, _network('0000:2a:00.0', above))
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-55,112-167', '56-111,168-223'),
    )


def port(address: str, numa_node: int) -> description.Function:
    """Describe the root port above a card or a switch."""
    return parts.root_port(
        address, 0x352A, numa_node=numa_node, link=parts.GEN5
    )


def gpu(address: str, port: description.Function) -> description.Function:
    """Describe one H100."""
    return description.Function(
        address=address,
        vendor=0x10DE,
        device=0x2330,
        subsystem=(0x10DE, 0x16C1),
        class_code=description.DISPLAY_3D,
        driver='vfio-pci',
        revision=0xA1,
        behind=port.address,
        numa_node=port.numa_node,
        bars=(
            description.Bar(0, 16 * parts.MIB, _HIGH),
            description.Bar(2, 128 * parts.GIB, _HIGH),
            description.Bar(4, 32 * parts.MIB, _HIGH),
        ),
        link=parts.GEN5,
        reset_method='flr bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=20, device=0x2330, configurable=False
        ),
    )


def nvswitch(address: str, port: description.Function) -> description.Function:
    """Describe one NVSwitch."""
    return description.Function(
        address=address,
        vendor=0x10DE,
        device=0x22A3,
        subsystem=(0x10DE, 0x1796),
        class_code=0x068000,
        revision=0xA1,
        behind=port.address,
        numa_node=port.numa_node,
        bars=(
            description.Bar(0, 32 * parts.MIB, description.BarKind.MEMORY_64),
        ),
        link=description.Link('16.0 GT/s PCIe', 2, '16.0 GT/s PCIe', 2),
        reset_method='flr bus',
        aer=True,
    )


def _network(address: str, port: description.Function) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x15B3,
        device=0x1021,
        subsystem=(0x15B3, 0x0055),
        class_code=parts.NETWORK,
        driver='mlx5_core',
        behind=port.address,
        numa_node=port.numa_node,
        bars=(description.Bar(0, 32 * parts.MIB, _HIGH),),
        link=parts.GEN5,
        reset_method='flr bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=16,
            device=0x101E,
            driver='mlx5_core',
            bars=(description.Bar(0, parts.MIB, _HIGH),),
            enabled=2,
        ),
    )
