"""A desktop with an Intel Coffee Lake iGPU that GVT-g shares."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids


def host(aperture: int = 256) -> description.Host:
    """Describe an Intel Coffee Lake iGPU that GVT-g shares.

    :param aperture: MiB, as set in the firmware. 256 is usual and gives two
        small types; 1024 gives all four.
    """
    gpu = dataclasses.replace(
        parts.intel_gpu(0x3E92, (0x1028, 0x085A), aperture * parts.MIB),
        mdev=mdev.Gvtg(aperture),
    )
    functions = (
        parts.host_bridge('0000:00:00.0', 0x3EC2),
        gpu,
        description.Function(
            address='0000:00:1f.3',
            vendor=0x8086,
            device=0xA348,
            subsystem=(0x1028, 0x085A),
            class_code=0x040300,
            driver='snd_hda_intel',
            revision=0x10,
            bars=(
                description.Bar(
                    0, 16 * parts.KIB, description.BarKind.MEMORY_64
                ),
                description.Bar(4, parts.MIB, description.BarKind.MEMORY_64),
            ),
        ),
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-11',),
    )


def host_1g() -> description.Host:
    """Describe an Intel Coffee Lake iGPU with an aperture of 1 GiB."""
    return host(aperture=1024)
