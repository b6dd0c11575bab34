"""Eight NVIDIA B200 on an HGX board: NVLink 5, and no NVSwitch on PCI.

In the NVSwitches' place the host has four functions of one ConnectX-7, of
mlx5_core and with links of width 2, over which Fabric Manager and NVLSM run
them (users of such hosts, and NVIDIA's guide to passthrough of B300). The
partitions are those of ``hgx-h100``, which is unverified, as are the buses,
the subsystem and the BARs.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import sxm
from nova_gpuvirt.simulation.hosts import h100
from nova_gpuvirt.simulation.hosts import hgx_h100
from nova_gpuvirt.simulation.hosts import hgx_h200
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

BRIDGES = tuple(f'0000:05:00.{number}' for number in range(4))
_INFINIBAND = 0x020700


def host() -> description.Host:
    """Describe eight NVIDIA B200 with Fabric Manager, and no NVSwitch."""
    board = hgx_h100.host()
    port = h100.port('0000:04:01.0', 0)
    functions: list[description.Function] = [port]
    functions += (_bridge(address, port) for address in BRIDGES)
    for function in board.functions:
        if isinstance(function.pf_driver, sxm.Sxm):
            driver = dataclasses.replace(function.pf_driver, blackwell=True)
            gpu = hgx_h200.replaced(function, 0x2901)
            functions.append(dataclasses.replace(gpu, pf_driver=driver))
        elif function.address not in hgx_h100.SWITCHES:
            functions.append(function)
    return dataclasses.replace(
        board, functions=tuple(functions), pci_ids=pci_ids.text(functions)
    )


def _bridge(address: str, port: description.Function) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x15B3,
        device=0x1021,
        subsystem=(0x10DE, 0x22A4),
        class_code=_INFINIBAND,
        driver='mlx5_core',
        behind=port.address,
        numa_node=port.numa_node,
        bars=(
            description.Bar(
                0, 32 * parts.MIB, description.BarKind.PREFETCHABLE_64
            ),
        ),
        link=description.Link('32.0 GT/s PCIe', 2, '32.0 GT/s PCIe', 2),
        reset_method='flr bus',
        aer=True,
    )
