"""An AMD Radeon PRO V710 with 12 VFs.

Ids are those of gim and of the PCI ID project, and that a card has up to 12
VFs stands in gim's release notes. Unverified: its class, its BARs and those
of its VFs, where the VFs are, the ports that stand between the slot and the
GPU as on other cards with this chip, and that gim has nothing to say of
partitions, which the card does not have.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gim
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import switch

_UPSTREAM = (0x1002, 0x1478)
_DOWNSTREAM = (0x1002, 0x1479)


def host() -> description.Host:
    """Describe an AMD Radeon PRO V710 with 12 VFs."""
    root = parts.root_port(
        '0000:40:01.0', 0x352A, numa_node=0, link=parts.GEN5
    )
    functions = (
        root,
        _port('0000:41:00.0', _UPSTREAM, root.address),
        _port('0000:42:00.0', _DOWNSTREAM, '0000:41:00.0'),
        _gpu('0000:43:00.0', '0000:42:00.0'),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-31',),
        mdev=False,
    )


def _port(
    address: str, ids: tuple[int, int], behind: str
) -> description.Function:
    return switch.port(
        address, ids, behind=behind, numa_node=0, link=parts.GEN4
    )


def _gpu(address: str, behind: str) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x1002,
        device=0x7460,
        subsystem=(0x1002, 0x7460),
        class_code=description.DISPLAY,
        driver='gim',
        behind=behind,
        numa_node=0,
        bars=_bars(32 * parts.GIB),
        link=parts.GEN4,
        reset_method='bus',
        aer=True,
        vfs=description.VirtualFunctions(
            total=12,
            device=0x7461,
            offset=16,
            bars=_bars(4 * parts.GIB),
            enabled=12,
            configurable=False,
        ),
        pf_driver=gim.Gim(),
    )


def _bars(memory: int) -> tuple[description.Bar, ...]:
    high = description.BarKind.PREFETCHABLE_64
    return (
        description.Bar(0, memory, high),
        description.Bar(2, 2 * parts.MIB, high),
        description.Bar(5, parts.MIB),
    )
