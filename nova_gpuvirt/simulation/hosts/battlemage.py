"""Intel Arc Pro B60 and B50, whose VFs xe has shared the memory among.

Ids, class, the PF's BARs and the place of the first VF are as users of the
cards have shown them, as are the usable and the free memory of a B60. The
free memory of a B50 is what the driver's author logged for a card of 16 GiB
(kernel commit 95c1cfa30608). A B60's 7 VFs are what one user's script
expects; a B50 has at least 8, which a guide enables. Unverified: the BARs of
the VFs. The cards' own ports and the audio function beside the GPU, which
the PCI ID project does not name, are left out.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import xe
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

_HIGH = description.BarKind.PREFETCHABLE_64
# What the GPU is behind, on the card, has the slot's link.
_LINK = description.Link('2.5 GT/s PCIe', 1, '2.5 GT/s PCIe', 1)


def host_b60() -> description.Host:
    """Describe an Intel Arc Pro B60 with 4 VFs, on Linux 7.0."""
    driver = xe.Xe(
        total=7,
        kernel=(7, 0),
        usable=24_480 * parts.MIB,
        free=24_143_736_832,
    )
    return _host(
        _gpu(0xE211, 0x1701, 32 * parts.GIB, driver, enabled=4),
        kernel='7.0.0-29-generic',
        drivers=('vfio-pci', 'xe-vfio-pci'),
        libvirt=11_000_000,
    )


def host_b50() -> description.Host:
    """Describe an Intel Arc Pro B50 with 2 VFs, on Linux 6.17."""
    driver = xe.Xe(
        total=8,
        kernel=(6, 17),
        usable=16_304 * parts.MIB,
        free=14_224 * parts.MIB,
    )
    return _host(
        _gpu(0xE212, 0x1114, 16 * parts.GIB, driver, enabled=2),
        kernel='6.17.0-29-generic',
        drivers=('vfio-pci',),
        libvirt=10_000_000,
    )


def _host(
    gpu: description.Function,
    *,
    kernel: str,
    drivers: tuple[str, ...],
    libvirt: int,
) -> description.Host:
    functions = (
        *parts.bmc_display(
            parts.root_port('0000:00:1c.0', 0x1BB8, numa_node=0),
            '0000:01:00.0',
            '0000:02:00.0',
            iommu_group=20,
        ),
        parts.root_port('0000:16:01.0', 0x352A, numa_node=0, link=parts.GEN5),
        gpu,
    )
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-31',),
        mdev=False,
        kernel=kernel,
        drivers=drivers,
        libvirt=libvirt,
    )


def _gpu(
    device: int, subsystem: int, memory: int, driver: xe.Xe, *, enabled: int
) -> description.Function:
    return description.Function(
        address='0000:17:00.0',
        vendor=0x8086,
        device=device,
        subsystem=(0x8086, subsystem),
        class_code=description.VGA,
        driver='xe',
        behind='0000:16:01.0',
        numa_node=0,
        bars=(
            description.Bar(0, 16 * parts.MIB, _HIGH),
            description.Bar(2, memory, _HIGH),
            description.Bar(6, 2 * parts.MIB, description.BarKind.ROM),
        ),
        link=_LINK,
        reset_method='flr bus',
        aer=True,
        drm=('card1', 'renderD128'),
        vfs=description.VirtualFunctions(
            total=driver.total,
            device=device,
            bars=(
                description.Bar(0, 16 * parts.MIB, _HIGH),
                description.Bar(2, memory // 8, _HIGH),
            ),
            enabled=enabled,
        ),
        pf_driver=driver,
    )
