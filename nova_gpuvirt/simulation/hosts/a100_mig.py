"""One NVIDIA A100 PCIe 40GB in MIG mode, with mdev types on its VFs.

Names of types and how many of each a card holds are those of NVIDIA's
vgpu-device-manager, the numbers 474 to 476 those of NVIDIA's Virtual GPU
Software User Guide; the other two follow. The number of VFs is unverified.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import mig_profiles
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

# In MIG mode the driver lists the types for GPU instances alone.
_TYPES = tuple(
    nvidia.VgpuType(
        474 + i,
        f'GRID A100-{name}C',
        1024 * gib,
        count,
        heads=1,
        resolution='4096x2160',
        gi_profile=profile,
    )
    for i, (name, gib, count, profile) in enumerate(
        (
            ('1-5', 5, 7, 19),
            ('2-10', 10, 3, 14),
            ('3-20', 20, 2, 9),
            ('4-20', 20, 1, 5),
            ('7-40', 40, 1, 0),
        )
    )
)
_PROFILES = mig_profiles.A100_40GB
_MEMORY = gpu_instances.instances(_PROFILES, '9', '14', '19', '19')


def card(address: str, behind: str, numa_node: int) -> description.Function:
    """Describe one A100."""
    return vgpu_cards.card(
        address,
        behind,
        numa_node,
        device=0x20F1,
        subsystem=0x145F,
        memory=64 * parts.GIB,
        vfs=16,
        first_vf=4,
        driver=nvidia_card.NvidiaCard(
            _TYPES, _MEMORY, '8.0', profiles=_PROFILES
        ),
    )


def host() -> description.Host:
    """Describe an NVIDIA A100 in MIG mode, with mdev types on its VFs."""
    functions = vgpu_cards.behind_ports(card, (('0000:41', 0),))
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-63',),
        kernel='5.15.0-105-generic',
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )
