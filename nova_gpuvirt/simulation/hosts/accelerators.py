"""A server with what is of a GPU's class and is no GPU.

The NPU of a Core Ultra, an FPGA for data centers and the display of Huawei's
management controller. Their ids and names are those of pci.ids, their classes
those that users show; BARs and resets are not verified.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

NPU = '0000:00:0b.0'
FPGA = '0000:01:00.0'
DISPLAY = '0000:02:00.0'

_ACCELERATOR = 0x120000


def host() -> description.Host:
    """Describe an Intel NPU, an AMD Alveo and a Huawei BMC; no GPU."""
    ports = [
        parts.root_port('0000:00:1c.0', 0xA190),
        parts.root_port('0000:00:1d.0', 0xA190),
    ]
    npu = description.Function(
        address=NPU,
        vendor=0x8086,
        device=0x7D1D,
        subsystem=(0x8086, 0x7270),
        class_code=_ACCELERATOR,
        driver='intel_vpu',
        bars=(description.Bar(0, 128 * parts.MIB),),
        link=parts.INTEGRATED,
        reset_method='flr',
    )
    fpga = dataclasses.replace(
        npu,
        address=FPGA,
        vendor=0x10EE,
        device=0x5004,
        subsystem=(0x10EE, 0x000E),
        driver='xclmgmt',
        behind=ports[0].address,
        bars=(description.Bar(0, 32 * parts.MIB),),
        link=parts.GEN3,
        reset_method='flr bus',
    )
    display = dataclasses.replace(
        fpga,
        address=DISPLAY,
        vendor=0x19E5,
        device=0x1711,
        subsystem=(0x19E5, 0x1711),
        class_code=description.VGA,
        driver='hibmc-drm',
        behind=ports[1].address,
        reset_method='bus',
        drm=('card0',),
    )
    functions = (
        parts.host_bridge('0000:00:00.0', 0x4660),
        npu,
        *ports,
        fpga,
        display,
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-15',),
    )
