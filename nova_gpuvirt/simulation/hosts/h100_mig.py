"""Two NVIDIA H100 PCIe in MIG mode, with GPU instances made.

Names of types and how many of each a card holds are those of NVIDIA's
vgpu-device-manager. Numbers of types and of VFs are unverified, and that its
lists of types have the form of NVIDIA's guide: that shows an A40, and no user
has shown one of an H100.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import mig_profiles
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_NAME = 'NVIDIA H100'
_PROFILES = mig_profiles.H100_80GB
_TIME_SLICED = (
    (4, 20),
    (5, 16),
    (8, 10),
    (10, 8),
    (16, 5),
    (20, 4),
    (40, 2),
    (80, 1),
)
# Type, GiB, how many on a card, profile of the GPU instance.
_MIG = (
    ('1-10', 10, 7, 19),
    ('1-20', 20, 4, 15),
    ('2-20', 20, 3, 14),
    ('3-40', 40, 2, 9),
    ('4-40', 40, 1, 5),
    ('7-80', 80, 1, 0),
)
_TYPES = (
    *vgpu_cards.types(_NAME, 1000, 'C', _TIME_SLICED, heads=1),
    *(
        nvidia.VgpuType(
            1010 + i,
            f'{_NAME}-{name}C',
            1024 * gib,
            count,
            heads=1,
            gi_profile=profile,
        )
        for i, (name, gib, count, profile) in enumerate(_MIG)
    ),
)
_SEVEN_SMALL = gpu_instances.instances(_PROFILES, *7 * ('1g.10gb',))
_THREE = gpu_instances.instances(_PROFILES, '3g.40gb', '2g.20gb', '2g.20gb')


def host() -> description.Host:
    """Describe two NVIDIA H100 in MIG mode, with GPU instances."""
    instances = {'0000:41:00.0': _SEVEN_SMALL, '0000:a1:00.0': _THREE}

    def card(
        address: str, behind: str, numa_node: int
    ) -> description.Function:
        return vgpu_cards.card(
            address,
            behind,
            numa_node,
            device=0x2331,
            subsystem=0x1626,
            memory=128 * parts.GIB,
            vfs=20,
            first_vf=4,
            driver=vendor_vfio.VendorVfio(
                _TYPES,
                instances[address],
                compute_capability='9.0',
                profiles=_PROFILES,
                names_first=True,
            ),
        )

    functions = vgpu_cards.behind_ports(card, (('0000:41', 0), ('0000:a1', 1)))
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-47', '48-95'),
        mdev=False,
        physical_bits=52,
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )
