"""Two NVIDIA L40S on a kernel where vGPUs are had through VFIO itself.

The numbers of types are those that a user of such a host has published.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_MOST = vgpu_cards.OF_48_GIB
TYPES = (
    *vgpu_cards.types('NVIDIA L40S', 1145, 'B', _MOST[:2], frl=45),
    *vgpu_cards.types('NVIDIA L40S', 1147, 'Q', _MOST),
    *vgpu_cards.types('NVIDIA L40S', 1157, 'A', _MOST, heads=1),
    *vgpu_cards.types('NVIDIA L40S', 2164, 'B', _MOST[2:3], frl=45),
)


def card(
    address: str, behind: str, numa_node: int, vfs: int = 32
) -> description.Function:
    """Describe one L40S, which has 32 VFs."""
    return vgpu_cards.card(
        address,
        behind,
        numa_node,
        device=0x26B9,
        subsystem=0x1851,
        memory=64 * parts.GIB,
        vfs=vfs,
        first_vf=4,
        driver=vendor_vfio.VendorVfio(
            TYPES, nvidia.EqualSize(), compute_capability='8.9'
        ),
    )


def host() -> description.Host:
    """Describe two NVIDIA L40S with vGPUs through VFIO itself."""
    functions = vgpu_cards.behind_ports(card, (('0000:41', 0), ('0000:a1', 1)))
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-31,64-95', '32-63,96-127'),
        mdev=False,
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )
