"""A workstation with a Quadro RTX 6000 and an iGPU for its screen.

The card's functions share an IOMMU group, with the root port above them: a
desktop processor's root port does not isolate what is behind it. Only the
card's first function has a reset of its own, as a real kernel shows for
multifunction cards without FLR.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

_GROUP = 13
_PORT = '0000:00:01.0'
_HIGH = description.BarKind.PREFETCHABLE_64


def host() -> description.Host:
    """Describe a Quadro RTX 6000 with companions, and an iGPU."""
    functions = (
        parts.host_bridge('0000:00:00.0', 0x4660),
        parts.root_port(_PORT, 0x460D, iommu_group=_GROUP),
        parts.intel_gpu(0x4680, (0x1028, 0x0AA8)),
        *_card(),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-19',),
    )


def _card() -> tuple[description.Function, ...]:
    display = description.Function(
        address='0000:01:00.0',
        vendor=0x10DE,
        device=0x1E30,
        subsystem=(0x10DE, 0x12BA),
        class_code=description.VGA,
        driver='nouveau',
        revision=0xA1,
        behind=_PORT,
        bars=(
            description.Bar(0, 16 * parts.MIB),
            description.Bar(1, 256 * parts.MIB, _HIGH),
            description.Bar(3, 32 * parts.MIB, _HIGH),
            description.Bar(5, 128, description.BarKind.IO),
            description.Bar(6, 512 * parts.KIB, description.BarKind.ROM),
        ),
        link=parts.GEN3,
        iommu_group=_GROUP,
        reset_method='bus',
        aer=True,
        drm=('card1', 'renderD129'),
    )
    return (
        display,
        _companion(
            display,
            1,
            0x10F7,
            0x040300,
            'snd_hda_intel',
            description.Bar(0, 16 * parts.KIB),
        ),
        _companion(
            display,
            2,
            0x1AD6,
            0x0C0330,
            'xhci_hcd',
            description.Bar(0, 256 * parts.KIB, _HIGH),
            description.Bar(3, 64 * parts.KIB, _HIGH),
        ),
        _companion(
            display,
            3,
            0x1AD7,
            0x0C8000,
            'nvidia-gpu',
            description.Bar(0, 4 * parts.KIB),
        ),
    )


def _companion(
    display: description.Function,
    number: int,
    device: int,
    class_code: int,
    driver: str,
    *bars: description.Bar,
) -> description.Function:
    return dataclasses.replace(
        display,
        address=f'{display.address[:-1]}{number}',
        device=device,
        class_code=class_code,
        driver=driver,
        bars=bars,
        reset_method=None,
        drm=(),
    )
