"""One NVIDIA A40 with mdev types on its VFs.

558 is the number of A40-2Q in Nova's virtual-gpu.rst; the others follow the
order of the RTX A6000's, and are unverified. Of each type a card holds what
NVIDIA's vgpu-device-manager lists; that the driver mixes no sizes is as before
R550.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import vgpu_cards

_MOST = vgpu_cards.OF_48_GIB
_TYPES = (
    *vgpu_cards.types(
        'NVIDIA A40',
        555,
        'B',
        _MOST[:2],
        frl=45,
        resolution='5120x2880',
    ),
    *vgpu_cards.types('NVIDIA A40', 557, 'Q', _MOST, per_vm=vgpu_cards.PER_VM),
    *vgpu_cards.types(
        'NVIDIA A40',
        567,
        'A',
        _MOST,
        heads=1,
        resolution='1280x1024',
    ),
    *vgpu_cards.types(
        'NVIDIA A40',
        577,
        'C',
        _MOST[3:],
        heads=1,
        resolution='4096x2160',
        per_vm=vgpu_cards.PER_VM,
    ),
)


def card(address: str, behind: str, numa_node: int) -> description.Function:
    """Describe one A40."""
    return vgpu_cards.card(
        address,
        behind,
        numa_node,
        device=0x2235,
        subsystem=0x145A,
        memory=64 * parts.GIB,
        vfs=32,
        first_vf=4,
        driver=nvidia_card.NvidiaCard(_TYPES, nvidia.EqualSize(), '8.6'),
    )


def host() -> description.Host:
    """Describe an NVIDIA A40 with mdev types on its VFs."""
    functions = vgpu_cards.behind_ports(card, (('0000:41', 0),))
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-63',),
        kernel='5.15.0-105-generic',
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )
