"""Three cards of three kinds: T4, L40S and MI210.

The T4 makes mdevs itself, the L40S has vGPUs through VFIO on its VFs, and
the MI210 is with amdgpu.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import vendor_vfio
from nova_gpuvirt.simulation.hosts import l40s
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import t4
from nova_gpuvirt.simulation.hosts import vgpu_cards

_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe a T4, an L40S and an MI210 in one host."""
    functions = [
        *vgpu_cards.behind_ports(t4.card, (('0000:3b', 0),)),
        *vgpu_cards.behind_ports(l40s.card, (('0000:5e', 0),)),
        *vgpu_cards.behind_ports(_mi210, (('0000:af', 1),)),
    ]
    return description.Host(
        functions=tuple(functions),
        pci_ids=pci_ids.text(functions),
        cpus=('0-31', '32-63'),
        physical_bits=48,
        processes=vendor_vfio.DAEMONS,
        commands=vgpu_cards.COMMANDS,
    )


def _mi210(address: str, behind: str, numa_node: int) -> description.Function:
    return description.Function(
        address=address,
        vendor=0x1002,
        device=0x740F,
        subsystem=(0x1002, 0x0C34),
        class_code=description.DISPLAY,
        driver='amdgpu',
        revision=0x02,
        behind=behind,
        numa_node=numa_node,
        bars=(
            description.Bar(0, 64 * parts.GIB, _HIGH),
            description.Bar(2, 2 * parts.MIB, _HIGH),
            description.Bar(5, 512 * parts.KIB),
        ),
        link=parts.GEN4,
        reset_method='bus',
        aer=True,
        drm=('card1', 'renderD128'),
    )
