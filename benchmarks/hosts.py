"""Simulated hosts as large as servers with eight GPUs are."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Iterator

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.commands import nvidia_smi
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import l40s
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import t4
from nova_gpuvirt.simulation.hosts import vgpu_cards

_BUSES = tuple(f'0000:{bus:02x}' for bus in range(0x11, 0x11 + 8 * 0x10, 0x10))
_CPUS = ('0-31,64-95', '32-63,96-127')
_VFS = 48
_FUNCTIONS = 500
# vGPU types of a card that makes mdevs: their GiB, of 64.
_SIZES = (1, 2, 4, 8, 16)


def vfs() -> description.Host:
    """Describe eight cards of 48 VFs each, among 500 functions.

    The cards are as L40S, with more VFs; their vGPUs are had through VFIO
    itself. Network cards fill the rest up.
    """
    functions = vgpu_cards.behind_ports(
        functools.partial(l40s.card, vfs=_VFS),
        ((bus, i // 4) for i, bus in enumerate(_BUSES)),
    )
    missing = _FUNCTIONS - len(functions) - len(_BUSES) * _VFS
    for bus in range(0xA0, 0xA0 + missing // 3 + 1):
        port = parts.root_port(f'0001:{bus - 0xA0:02x}:01.0', 0x352A)
        functions.extend(parts.ethernet(port, f'0001:{bus:02x}'))
    return description.Host(
        functions=tuple(functions[: _FUNCTIONS - len(_BUSES) * _VFS]),
        pci_ids=pci_ids.text(functions),
        cpus=_CPUS,
        mdev=False,
        processes=vendor_vfio.DAEMONS,
        commands={'nvidia-smi': nvidia_smi.run},
    )


def mdevs() -> description.Host:
    """Describe eight cards with 20 mdev types each.

    Each is as a T4, with 64 GiB and types for them: four series of five
    sizes, so that it holds as many as 64 vGPUs.
    """
    vgpus = mdev.Nvidia(
        tuple(
            nvidia.VgpuType(
                222 + number,
                f'GRID T4-{gib}{series}',
                framebuffer=1024 * gib,
                max_instance=64 // gib,
                heads=4,
                frl=60,
                resolution='7680x4320',
            )
            for number, (series, gib) in enumerate(
                (series, gib) for series in 'ABCQ' for gib in _SIZES
            )
        )
    )
    functions = vgpu_cards.behind_ports(
        lambda *place: dataclasses.replace(t4.card(*place), mdev=vgpus),
        ((bus, i // 4) for i, bus in enumerate(_BUSES)),
    )
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=_CPUS,
    )


@contextlib.contextmanager
def started(
    described: description.Host,
) -> Iterator[simulated.SimulatedHost]:
    """Start a simulated host, for as long as it is looked at."""
    with tempfile.TemporaryDirectory(dir=simulated.memory()) as folder:
        yield simulated.SimulatedHost(described, pathlib.Path(folder))
