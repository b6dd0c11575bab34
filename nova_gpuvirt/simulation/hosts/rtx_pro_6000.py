"""NVIDIA RTX PRO 6000 Blackwell, whose vGPUs may differ in size.

The numbers 1518 (2B), 1519 (3Q), 1521 (4Q), 1523 (6Q), 1546 (1-2Q) and 1561
(1-24Q), the count of VFs and their places are those that users of such hosts
have published; the other numbers are unverified. Of each type a card holds
what NVIDIA's vgpu-device-manager lists.
A guest may have 16 vGPUs of the series Q, one of B, and one in a GPU instance:
``Max Instances Per VM`` as a user's driver 580 printed it.
"""

from __future__ import annotations

import functools

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import mig_profiles
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
# Type, GB, how many a GPU instance holds, and the profile that it is of.
_IN_GPU_INSTANCES = (
    (1546, 1, 2, 12, 47),
    (1549, 1, 3, 8, 47),
    (1552, 1, 4, 6, 47),
    (1555, 1, 6, 4, 47),
    (1558, 1, 8, 3, 47),
    (1560, 1, 12, 2, 47),
    (1561, 1, 24, 1, 47),
    (1564, 2, 4, 12, 35),
    (1566, 2, 8, 6, 35),
    (1568, 2, 16, 3, 35),
    (1570, 2, 24, 2, 35),
    (1572, 2, 48, 1, 35),
)
# The types for GPU instances are listed whether there are any or not.
_TYPES = (
    nvidia.VgpuType(1518, f'{_NAME}-2B', 2 << 10, 32, frl=45),
    *(
        nvidia.VgpuType(
            number,
            f'{_NAME}-{gib}Q',
            gib << 10,
            count,
            per_vm=vgpu_cards.PER_VM,
        )
        for number, gib, count in _MOST
    ),
    *(
        nvidia.VgpuType(
            number,
            f'{_NAME}-{slices}-{gib}Q',
            gib << 10,
            per_gi * 4 // slices,
            gi_profile=profile,
            per_gi=per_gi,
        )
        for number, slices, gib, per_gi, profile in _IN_GPU_INSTANCES
    ),
)
_GPU_INSTANCES = gpu_instances.instances(
    mig_profiles.RTX_PRO_6000,
    *('1g.24gb+gfx', '1g.24gb+gfx', '2g.48gb+gfx'),
    mixed=True,
)


def card(
    address: str,
    behind: str,
    numa_node: int,
    *,
    memory: nvidia.Memory,
    mdevs: bool = False,
) -> description.Function:
    """Describe one RTX PRO 6000.

    :param memory: how vGPUs share it
    :param mdevs: whether they are mdevs, and not VFs
    """
    kind = nvidia_card.NvidiaCard if mdevs else vendor_vfio.VendorVfio
    return vgpu_cards.card(
        address,
        behind,
        numa_node,
        device=0x2BB5,
        subsystem=0x204E,
        memory=128 * parts.GIB,
        vfs=48,
        first_vf=2,
        driver=kind(
            _TYPES,
            memory,
            compute_capability='12.0',
            mixed=nvidia.MixedSizes(96),
            profiles=mig_profiles.RTX_PRO_6000,
        ),
    )


def host() -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 with 48 VFs of mixed sizes."""
    return with_memory('0000:41', nvidia.MixedSizes(96))


def host_in_domain_1() -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 in the PCI domain 0001."""
    return with_memory('0001:c8', nvidia.EqualSize())


def host_mig() -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 in GPU instances of mixed sizes."""
    return with_memory('0000:41', _GPU_INSTANCES)


def on_mdevs(memory: nvidia.Memory) -> description.Host:
    """Describe the same with mdevs, as on kernels that have these.

    A user had driver 595 make mdevs of such a card.
    """
    return with_memory('0000:41', memory, mdevs=True)


def with_memory(
    bus: str, memory: nvidia.Memory, *, mdevs: bool = False
) -> description.Host:
    """Describe an NVIDIA RTX PRO 6000 that vGPUs share in this way.

    :param bus: as ``0000:41``
    :param mdevs: whether they are mdevs, and not VFs
    """
    functions = vgpu_cards.behind_ports(
        functools.partial(card, memory=memory, mdevs=mdevs), ((bus, 0),)
    )
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-63',),
        mdev=mdevs,
        physical_bits=52,
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )
