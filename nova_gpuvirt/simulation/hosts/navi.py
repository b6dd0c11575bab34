"""A desktop's AMD Radeon RX 5700 whose audio is in an IOMMU group of its own.

Ids, addresses and groups are those of gnif/vendor-reset issue 12. The display
has no reset but that of its bus, which the kernel lists for the first function
of a bus, since it looks before it has found the others (``pci_device_add`` of
drivers/pci/probe.c); the audio has none. So the card can be reset only while
both are with VFIO. BARs are as cards of this model are shown, not verified.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

DISPLAY = '0000:44:00.0'
AUDIO = '0000:44:00.1'

_ATI = 0x1002
_ROOT_PORT = '0000:40:03.1'
_UPSTREAM = '0000:42:00.0'
_DOWNSTREAM = '0000:43:00.0'
_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe an AMD Navi 10 with its audio in another IOMMU group."""
    port = parts.root_port(_ROOT_PORT, 0x1453, vendor=parts.AMD)
    upstream = dataclasses.replace(
        port,
        address=_UPSTREAM,
        link=parts.GEN4,
        vendor=_ATI,
        device=0x1478,
        subsystem=(0, 0),
        behind=port.address,
    )
    downstream = dataclasses.replace(
        upstream, address=_DOWNSTREAM, device=0x1479, behind=_UPSTREAM
    )
    display = description.Function(
        address=DISPLAY,
        vendor=_ATI,
        device=0x731F,
        subsystem=(0x1682, 0x5701),
        class_code=description.VGA,
        driver='amdgpu',
        revision=0xCA,
        behind=_DOWNSTREAM,
        bars=(
            description.Bar(0, 256 * parts.MIB, _HIGH),
            description.Bar(2, 2 * parts.MIB, _HIGH),
            description.Bar(4, 256, description.BarKind.IO),
            description.Bar(5, 512 * parts.KIB),
        ),
        link=parts.GEN4,
        iommu_group=32,
        reset_method='bus',
        aer=True,
        drm=('card0', 'renderD128'),
    )
    audio = dataclasses.replace(
        display,
        address=AUDIO,
        device=0xAB38,
        subsystem=(_ATI, 0xAB38),
        class_code=0x040300,
        driver='snd_hda_intel',
        revision=0,
        bars=(description.Bar(0, 16 * parts.KIB),),
        iommu_group=33,
        reset_method=None,
        drm=(),
    )
    functions = (port, upstream, downstream, display, audio)
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-15',),
        physical_bits=43,
    )
