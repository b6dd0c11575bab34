"""Eight AMD Instinct MI300X in one XGMI hive, with amdgpu.

The cards are those of the host ``mi300x``, without its VFs. The hive's number
is made up: the kernel prints 64 bits in decimal (amdgpu_xgmi.c).
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import mi300x
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_HIVE = 0x8A5D2F3C11D5E0B7


def host() -> description.Host:
    """Describe eight AMD Instinct MI300X in one XGMI hive."""
    functions = vgpu_cards.behind_ports(_card, mi300x.PLACES)
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-47,96-143', '48-95,144-191'),
        physical_bits=52,
        mdev=False,
    )


def _card(address: str, behind: str, numa_node: int) -> description.Function:
    number = [bus for bus, _ in mi300x.PLACES].index(address[:7])
    return dataclasses.replace(
        mi300x.card(address, behind, numa_node),
        driver='amdgpu',
        vfs=None,
        pf_driver=None,
        bars=(*mi300x.bars(256 * parts.GIB),),
        drm=(f'card{number}', f'renderD{128 + number}'),
        hive=_HIVE,
    )
