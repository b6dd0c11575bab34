"""Eight NVIDIA H200 on an HGX board, with NVSwitches and Fabric Manager.

The board is that of ``hgx-h100``, with the same places and partitions, as an
operator of such hosts has asked for in public: pairs are 1+3, 2+4, 5+7 and
6+8. The subsystem is unverified; BAR 2 is the power of two that holds 141 GB.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import hgx_h100
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids


def host() -> description.Host:
    """Describe eight NVIDIA H200 with NVSwitches and Fabric Manager."""
    board = hgx_h100.host()
    functions = tuple(
        replaced(f, 0x2335) if f.device == hgx_h100.DEVICE else f
        for f in board.functions
    )
    return dataclasses.replace(
        board, functions=functions, pci_ids=pci_ids.text(functions)
    )


def replaced(gpu: description.Function, device: int) -> description.Function:
    """Put another GPU, with more memory, in the place of an H100.

    :param device: its id
    """
    return dataclasses.replace(
        gpu,
        device=device,
        bars=tuple(
            dataclasses.replace(bar, size=256 * parts.GIB)
            if bar.index == 2
            else bar
            for bar in gpu.bars
        ),
        vfs=None,
    )
