"""A computer with an AMD APU, whose GPU shares its slot with half the machine.

Functions, ids and order are those of AMD's Renoir, as ``lspci`` shows them:
beside the display and its audio the security processor, two USB controllers
and the board's audio. Each has an IOMMU group of its own; none has a reset
but that of the bus, which would reset them all. BARs are not verified.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

DISPLAY = '0000:05:00.0'

_PORT = '0000:00:08.1'
_ATI = 0x1002
_HIGH = description.BarKind.PREFETCHABLE_64
# What follows the display: vendor, device, class, driver.
_OTHERS = (
    (_ATI, 0x1637, 0x040300, 'snd_hda_intel'),
    (parts.AMD, 0x15DF, 0x108000, 'ccp'),
    (parts.AMD, 0x1639, 0x0C0330, 'xhci_hcd'),
    (parts.AMD, 0x1639, 0x0C0330, 'xhci_hcd'),
    (parts.AMD, 0x15E3, 0x040300, 'snd_hda_intel'),
)


def host() -> description.Host:
    """Describe an AMD APU, whose slot has USB and more, not the boot VGA."""
    port = parts.root_port(_PORT, 0x1635, vendor=parts.AMD)
    display = description.Function(
        address=DISPLAY,
        vendor=_ATI,
        device=0x1636,
        subsystem=(_ATI, 0x1636),
        class_code=description.VGA,
        driver='amdgpu',
        revision=0xC6,
        behind=_PORT,
        bars=(
            description.Bar(0, 256 * parts.MIB, _HIGH),
            description.Bar(2, 2 * parts.MIB, _HIGH),
            description.Bar(4, 256, description.BarKind.IO),
            description.Bar(5, 512 * parts.KIB),
        ),
        link=parts.GEN3,
        reset_method='bus',
        drm=('card0', 'renderD128'),
    )
    others = (
        dataclasses.replace(
            display,
            address=f'{DISPLAY[:-1]}{number}',
            vendor=vendor,
            device=device,
            subsystem=(vendor, device),
            class_code=class_code,
            driver=driver,
            revision=0,
            bars=(description.Bar(0, 1 * parts.MIB),),
            reset_method=None,
            drm=(),
        )
        for number, (vendor, device, class_code, driver) in enumerate(
            _OTHERS, 1
        )
    )
    functions = (
        parts.host_bridge('0000:00:00.0', 0x1630, vendor=parts.AMD),
        port,
        display,
        *others,
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-15',),
        physical_bits=44,
    )
