"""Put our devices into the guest that Nova configures."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Self

from nova.virt.libvirt import config as vconfig

from nova_gpuvirt.guest import address_space
from nova_gpuvirt.guest import graphics
from nova_gpuvirt.guest import override
from nova_gpuvirt.guest import pci
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.model import guest_device


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """What a guest's configuration depends on.

    The widths of the processor's and the IOMMU's addresses are in bits, None
    where they can't be told; the version is libvirt's number, as 10000000.
    """

    physical_bits: int | None
    iommu_bits: int | None
    libvirt_version: int

    @classmethod
    def of(cls, machine: machine_.Machine) -> Self:
        """Read it of this host."""
        root = machine.sysfs.root
        return cls(
            kernel.physical_bits(root),
            kernel.iommu_bits(root),
            machine.hypervisor.version(),
        )


def wire(
    config: vconfig.LibvirtConfigGuest,
    devices: Collection[guest_device.GuestDevice],
    host: Host,
    *,
    display: bool,
) -> vconfig.LibvirtConfigGuest:
    """Add devices to a guest's configuration, each once.

    :param display: whether the guest's console shows a vGPU's screen
    :returns: the configuration, which may be another object than before
    :raises RequestImpossible: when no host could give the guest these
    :raises PrepareFailed: when this host can't
    """
    functions = [d for d in devices if isinstance(d, guest_device.Pci)]
    mdevs = [d for d in devices if isinstance(d, guest_device.Mdev)]
    renderers = [d for d in devices if isinstance(d, guest_device.Renderer)]
    properties: override.Properties = {}
    pci.add(config, functions, host.libvirt_version, properties)
    # A bridge rounds what is behind it up, to a part of the window.
    parts = [address_space.window(function.bars) for function in functions]
    address_space.widen(
        config,
        parts,
        physical_bits=host.physical_bits,
        iommu_bits=host.iommu_bits,
        libvirt_version=host.libvirt_version,
    )
    graphics.add_mdevs(config, mdevs, display=display)
    graphics.add_renderers(config, renderers, host.libvirt_version, properties)
    return override.of(config, properties)
