"""NVIDIA RTX PRO 6000 Blackwell, whose vGPUs may differ in size.

The numbers 1519 (3Q), 1523 (6Q) and 1561 (1-24Q), the count of VFs and their
places are those that a user of such a host has published; the other numbers
are unverified. Of each type a card holds what NVIDIA's vgpu-device-manager
lists.
"""

from __future__ import annotations

import functools

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.commands import nvidia_smi
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_MOST = (
    (1519, 3, 32),
    (1521, 4, 24),
    (1523, 6, 16),
    (1525, 8, 12),
    (1527, 12, 8),
    (1529, 16, 6),
    (1531, 24, 4),
    (1533, 32, 3),
    (1535, 48, 2),
    (1537, 96, 1),
)
_NAME = 'NVIDIA RTX Pro 6000 Blackwell DC'
# The types for GPU instances are listed whether there are any or not.
_TYPES = (
    *(
        vgpu_type
        for number, gib, count in _MOST
        for vgpu_type in vgpu_cards.types(_NAME, number, 'Q', ((gib, count),))
    ),
    nvidia.VgpuType(
        1561, f'{_NAME}-1-24Q', 24 * 1024, 4, gi_profile=47, per_gi=1
    ),
)


def card(
    address: str, behind: str, numa_node: int, *, mixed: bool
) -> description.Function:
    """Describe one RTX PRO 6000.

    :param mixed: whether sizes are mixed (``nvidia-smi vgpu -shm 1``)
    """
    return vgpu_cards.card(
        address,
        behind,
        numa_node,
        device=0x2BB5,
        subsystem=0x204E,
        memory=128 * parts.GIB,
        vfs=48,
        first_vf=2,
        driver=vendor_vfio.VendorVfio(
            _TYPES,
            nvidia.MixedSizes(96) if mixed else nvidia.EqualSize(),
            compute_capability='12.0',
            can_mix=True,
        ),
    )


def host() -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 with 48 VFs of mixed sizes."""
    return _host('0000:41', mixed=True)


def host_in_domain_1() -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 in the PCI domain 0001."""
    return _host('0001:c8', mixed=False)


def _host(bus: str, *, mixed: bool) -> description.Host:
    functions = vgpu_cards.behind_ports(
        functools.partial(card, mixed=mixed), ((bus, 0),)
    )
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-63',),
        mdev=False,
        physical_bits=52,
        processes=vendor_vfio.DAEMONS,
        commands={'nvidia-smi': nvidia_smi.run},
    )
