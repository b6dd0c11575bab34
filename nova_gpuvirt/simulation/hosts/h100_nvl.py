"""Four NVIDIA H100 NVL, two pairs of them joined by NVLink bridges.

Ids, class and BARs are as ``lspci`` shows them on such hosts. NVIDIA sells the
cards in pairs, which three bridges of four links each join. Which cards make
a pair is where somebody has plugged the bridges: here it is not the order of
the buses, so that nearness on PCI Express is another. All four are in one NUMA
node, behind root ports of their own.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import bridged
from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.commands import nvidia_smi
from nova_gpuvirt.simulation.hosts import h100
from nova_gpuvirt.simulation.hosts import pci_ids

PAIRS = ((0x17, 0x3D), (0x2A, 0x63))


def host() -> description.Host:
    """Describe four NVIDIA H100 NVL in two bridged pairs."""
    peers = {a: b for one, two in PAIRS for a, b in ((one, two), (two, one))}
    functions: list[description.Function] = []
    for bus, peer in sorted(peers.items()):
        port = h100.port(f'0000:{bus - 1:02x}:01.0', 0)
        gpu = dataclasses.replace(
            h100.gpu(_address(bus), port),
            device=0x2321,
            subsystem=(0x10DE, 0x1839),
            driver='nvidia',
            vfs=None,
            pf_driver=bridged.Bridged(_address(peer)),
        )
        functions += (port, gpu)
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-31,64-95', '32-63,96-127'),
        mdev=False,
        physical_bits=52,
        commands={'nvidia-smi': nvidia_smi.run},
    )


def _address(bus: int) -> str:
    return f'0000:{bus:02x}:00.0'
