"""NVIDIA's cards whose vGPUs are virtual functions: Ampere and newer.

Ids, classes and the places of VFs are those that users of such hosts have
shown. The sizes of the VFs' BARs and the number of VFs are unverified, as
are the numbers of vGPU types beyond those that stand beside a source: they
differ between branches of the driver anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.commands import nvidia_smi
from nova_gpuvirt.simulation.commands import sriov_manage
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.hosts import parts

COMMANDS: Mapping[str, description.Command] = {
    'nvidia-smi': nvidia_smi.run,
    sriov_manage.NAME: sriov_manage.run,
}
"""What comes with NVIDIA's driver for hosts of vGPUs."""

_HIGH = description.BarKind.PREFETCHABLE_64

PER_VM = 16
"""How many vGPUs of the series C and Q a guest may have: what a user's driver
580 printed of Q on an RTX PRO 6000. NVIDIA's page on multi-vGPU puts two vGPUs
of an A40 into a guest, of C. That the number is the same for other cards, and
of A as of B, of which that driver printed 1, are guesses."""

OF_48_GIB = (
    (1, 32),
    (2, 24),
    (3, 16),
    (4, 12),
    (6, 8),
    (8, 6),
    (12, 4),
    (16, 3),
    (24, 2),
    (48, 1),
)
"""How many vGPUs of each size (GiB) a card of 48 GiB holds, as NVIDIA's
vgpu-device-manager lists them."""

Model = Callable[[str, str, int], description.Function]
"""Makes a card: its address, the root port above it, its NUMA node."""


def card(
    address: str,
    behind: str,
    numa_node: int,
    *,
    device: int,
    subsystem: int,
    memory: int,
    vfs: int,
    first_vf: int,
    driver: nvidia_card.NvidiaCard,
) -> description.Function:
    """Describe a card whose VFs ``sriov-manage`` has enabled.

    :param memory: of BAR 1, in bytes
    :param first_vf: how far the first VF is behind the card
    :param driver: the vGPU host driver, as its command tells of it
    """
    return description.Function(
        address=address,
        vendor=0x10DE,
        device=device,
        subsystem=(0x10DE, subsystem),
        class_code=description.DISPLAY_3D,
        driver='nvidia',
        revision=0xA1,
        behind=behind,
        numa_node=numa_node,
        bars=_bars(16 * parts.MIB, memory),
        link=parts.GEN4,
        reset_method='flr bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=vfs,
            device=device,
            offset=first_vf,
            driver='nvidia',
            bars=_bars(256 * parts.KIB, memory // 32),
            enabled=vfs,
            configurable=False,
            vfio=driver.vf_mdev is None,
            mdev=driver.vf_mdev,
        ),
        pf_driver=driver,
    )


def behind_ports(
    model: Model, places: Iterable[tuple[str, int]]
) -> list[description.Function]:
    """Put cards of one model behind root ports of their own.

    :param places: the bus of each, as ``0000:41``, and its NUMA node
    """
    functions = []
    for bus, numa_node in places:
        above = f'{bus[:5]}{int(bus[5:], 16) - 1:02x}:01.0'
        port = parts.root_port(
            above, 0x352A, numa_node=numa_node, link=parts.GEN5
        )
        functions += [port, model(f'{bus}:00.0', above, numa_node)]
    return functions


def types(
    prefix: str,
    numbers: int,
    series: str,
    most: Iterable[tuple[int, int]],
    *,
    heads: int = 4,
    frl: int = 60,
    resolution: str = '7680x4320',
    per_vm: int = 1,
) -> tuple[nvidia.VgpuType, ...]:
    """Describe the time-sliced types of one series, by rising size.

    :param numbers: the number of the first
    :param most: GiB of each with how many of them a card holds
    :param per_vm: how many vGPUs a guest may have that has one
    """
    return tuple(
        nvidia.VgpuType(
            numbers + i,
            f'{prefix}-{gib}{series}',
            framebuffer=1024 * gib,
            max_instance=count,
            heads=heads,
            frl=frl,
            resolution=resolution,
            per_vm=per_vm,
        )
        for i, (gib, count) in enumerate(most)
    )


def _bars(registers: int, memory: int) -> tuple[description.Bar, ...]:
    return (
        description.Bar(0, registers),
        description.Bar(1, memory, _HIGH),
        description.Bar(3, 32 * parts.MIB, _HIGH),
    )
