"""Two NVIDIA A16, each with four GPUs behind a switch, on vfio-pci.

That a board has four GPUs behind a switch of PLX, and the id of the GPUs,
is as users of such boards have shown it; the switch's ports, the subsystem
and the sizes of BARs are unverified.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import switch

_SWITCH = (0x10B5, 0x8747)
_HIGH = description.BarKind.PREFETCHABLE_64
# Bus of the root port, and NUMA node.
_BOARDS = ((0x30, 0), (0xB0, 1))


def host() -> description.Host:
    """Describe two NVIDIA A16 of four GPUs each for passthrough."""
    functions: list[description.Function] = []
    for bus, numa_node in _BOARDS:
        functions += _board(bus, numa_node)
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-31', '32-63'),
    )


def _board(bus: int, numa_node: int) -> list[description.Function]:
    root = parts.root_port(
        f'0000:{bus:02x}:01.0', 0x347A, numa_node=numa_node, link=parts.GEN4
    )
    up = switch.port(
        f'0000:{bus + 1:02x}:00.0',
        _SWITCH,
        behind=root.address,
        numa_node=numa_node,
        link=parts.GEN4,
    )
    functions = [root, up]
    for number in range(4):
        down = switch.port(
            f'0000:{bus + 2:02x}:{8 + number:02x}.0',
            _SWITCH,
            behind=up.address,
            numa_node=numa_node,
            link=parts.GEN4,
        )
        functions += [down, _gpu(f'0000:{bus + 3 + number:02x}:00.0', down)]
    return functions


def _gpu(address: str, port: description.Function) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x10DE,
        device=0x25B6,
        subsystem=(0x10DE, 0x14A9),
        class_code=description.DISPLAY_3D,
        driver='vfio-pci',
        revision=0xA1,
        behind=port.address,
        numa_node=port.numa_node,
        bars=(
            description.Bar(0, 16 * parts.MIB),
            description.Bar(1, 16 * parts.GIB, _HIGH),
            description.Bar(3, 32 * parts.MIB, _HIGH),
        ),
        link=parts.GEN4,
        reset_method='flr bus',
        aer=True,
    )
