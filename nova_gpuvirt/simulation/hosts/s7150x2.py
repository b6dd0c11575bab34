"""An AMD FirePro S7150 x2: two GPUs behind a switch, 16 VFs on each.

Switch, classes, the places of VFs and the PF's BARs are as users of such
cards have shown them (github.com/xcp-ng/xcp/issues/200, issues 3 and 26 of
GPUOpen-LibrariesAndSDKs/MxGPU-Virtualization), as is the 480 MiB that each of
16 VFs has, which no file tells. The sizes of the VFs' BARs are unverified.
The driver is the legacy gim, which was made for kernels of that time; the
other files are as newer kernels have them.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gim
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import switch

_SWITCH = (0x10B5, 0x8747)
_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe an AMD FirePro S7150 x2 with 16 VFs on each GPU."""
    root = parts.root_port('0000:3a:00.0', 0x2030, numa_node=0)
    functions = [
        parts.host_bridge('0000:00:00.0', 0x2020, numa_node=0),
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0xA190, numa_node=0),
            '0000:02:00.0',
            '0000:03:00.0',
            iommu_group=20,
        ),
        root,
        _port('0000:3b:00.0', root.address),
    ]
    for slot, bus in ((0x08, 0x3D), (0x10, 0x3E)):
        above = f'0000:3c:{slot:02x}.0'
        functions += (
            _port(above, '0000:3b:00.0'),
            _gpu(f'0000:{bus:02x}:00.0', above),
        )
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-15',),
        mdev=False,
        kernel='4.15.0-213-generic',
    )


def _port(address: str, behind: str) -> description.Function:
    return switch.port(
        address, _SWITCH, behind=behind, numa_node=0, link=parts.GEN3
    )


def _gpu(address: str, behind: str) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x1002,
        device=0x6929,
        subsystem=(0x1002, 0x6929),
        class_code=description.VGA,
        driver='gim',
        behind=behind,
        numa_node=0,
        bars=(
            description.Bar(0, 256 * parts.MIB, _HIGH),
            description.Bar(2, 2 * parts.MIB, _HIGH),
            description.Bar(4, 256, description.BarKind.IO),
            description.Bar(5, 256 * parts.KIB),
            description.Bar(6, 128 * parts.KIB, description.BarKind.ROM),
        ),
        link=parts.GEN3,
        reset_method='bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=16,
            device=0x692F,
            offset=16,
            bars=(
                description.Bar(0, 256 * parts.MIB, _HIGH),
                description.Bar(2, 2 * parts.MIB, _HIGH),
                description.Bar(5, 256 * parts.KIB),
            ),
            enabled=16,
            configurable=False,
        ),
        pf_driver=gim.LegacyGim(),
    )
