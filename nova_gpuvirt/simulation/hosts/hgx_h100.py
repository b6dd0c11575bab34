"""Eight NVIDIA H100 on an HGX board, with NVSwitches and Fabric Manager.

The cards are those of the host ``h100``, with NVIDIA's driver, which tells
their places on the board. The places and their order are those of one host
that a user has shown, where two of the buses have the number before; the
order is not that of PCI.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import sxm
from nova_gpuvirt.simulation.commands import fabric_manager
from nova_gpuvirt.simulation.commands import nvidia_smi
from nova_gpuvirt.simulation.hosts import h100
from nova_gpuvirt.simulation.hosts import pci_ids

DEVICE = 0x2330
# Bus, NUMA node and place on the board.
_GPUS = (
    (0x0F, 0, 5),
    (0x11, 0, 7),
    (0x41, 0, 6),
    (0x44, 0, 8),
    (0x86, 1, 1),
    (0x88, 1, 3),
    (0xB8, 1, 2),
    (0xBB, 1, 4),
)


# The NVSwitches, each with the port above it.
_SWITCHES = tuple(
    (f'0000:{bus:02x}:00.0', f'0000:00:{number:02x}.0')
    for number, bus in enumerate(h100.NVSWITCHES, 0x10)
)
SWITCHES = frozenset(address for pair in _SWITCHES for address in pair)
"""The addresses of the NVSwitches and of the ports above them."""


def host() -> description.Host:
    """Describe eight NVIDIA H100 with NVSwitches and Fabric Manager."""
    functions: list[description.Function] = []
    for address, above in _SWITCHES:
        port = h100.port(above, 0)
        switch = h100.nvswitch(address, port)
        functions += (
            port,
            dataclasses.replace(switch, driver='nvidia-nvswitch'),
        )
    for bus, numa_node, module in _GPUS:
        port = h100.port(f'0000:{bus - 1:02x}:01.0', numa_node)
        gpu = h100.gpu(f'0000:{bus:02x}:00.0', port)
        functions += (
            port,
            dataclasses.replace(
                gpu, driver='nvidia', pf_driver=sxm.Sxm(module)
            ),
        )
    manager = fabric_manager.FabricManager()
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-55,112-167', '56-111,168-223'),
        physical_bits=52,
        processes=(fabric_manager.DAEMON,),
        commands={'nvidia-smi': nvidia_smi.run, 'fmpm': manager.fmpm},
        services={fabric_manager.DAEMON: manager},
    )
