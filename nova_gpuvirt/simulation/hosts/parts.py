"""Parts that several simulated hosts have."""

from __future__ import annotations

from nova_gpuvirt.simulation import description

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

INTEL = 0x8086
AMD = 0x1022

NETWORK = 0x020000
HOST_BRIDGE = 0x060000

Bar = description.Bar
BarKind = description.BarKind
Function = description.Function
Link = description.Link

GEN3 = Link()
GEN4 = Link('16.0 GT/s PCIe', 16, '16.0 GT/s PCIe', 16)
GEN5 = Link('32.0 GT/s PCIe', 16, '32.0 GT/s PCIe', 16)
# An endpoint inside the processor has the capability and no link.
INTEGRATED = Link('Unknown', 0, 'Unknown', 255)


def root_port(
    address: str,
    device: int,
    *,
    vendor: int = INTEL,
    numa_node: int = -1,
    link: description.Link = GEN3,
    iommu_group: int | None = None,
) -> description.Function:
    """Describe a PCI Express root port."""
    return Function(
        address=address,
        vendor=vendor,
        device=device,
        subsystem=_subsystem(vendor, device),
        class_code=description.BRIDGE,
        driver='pcieport',
        numa_node=numa_node,
        link=link,
        iommu_group=iommu_group,
        aer=True,
    )


def host_bridge(
    address: str,
    device: int,
    *,
    vendor: int = INTEL,
    numa_node: int = -1,
    iommu_group: int | None = None,
) -> description.Function:
    """Describe the processor's own function on a root bus."""
    return Function(
        address=address,
        vendor=vendor,
        device=device,
        subsystem=_subsystem(vendor, device),
        class_code=HOST_BRIDGE,
        numa_node=numa_node,
        iommu_group=iommu_group,
    )


def _subsystem(vendor: int, device: int) -> tuple[int, int]:
    return vendor, 0 if vendor == INTEL else device


def bmc_display(
    port: description.Function, bridge: str, display: str, iommu_group: int
) -> tuple[description.Function, ...]:
    """Describe an ASPEED BMC: a conventional PCI bridge and a VGA behind it.

    Functions behind a conventional bridge share its IOMMU group.

    :param port: the root port above
    """
    return (
        port,
        Function(
            address=bridge,
            vendor=0x1A03,
            device=0x1150,
            subsystem=(0x1A03, 0x1150),
            class_code=description.BRIDGE,
            revision=4,
            behind=port.address,
            numa_node=port.numa_node,
            link=Link('5.0 GT/s PCIe', 1, '5.0 GT/s PCIe', 1),
            iommu_group=iommu_group,
        ),
        Function(
            address=display,
            vendor=0x1A03,
            device=0x2000,
            subsystem=(0x1A03, 0x2000),
            class_code=description.VGA,
            driver='ast',
            revision=0x41,
            behind=bridge,
            numa_node=port.numa_node,
            bars=(
                Bar(0, 16 * MIB),
                Bar(1, 128 * KIB),
                Bar(2, 128, BarKind.IO),
                shadow_rom(),
            ),
            iommu_group=iommu_group,
            boot_vga=True,
            drm=('card0',),
        ),
    )


def ethernet(
    port: description.Function, bus: str
) -> tuple[description.Function, ...]:
    """Describe an ordinary network card with two functions.

    :param port: the root port above
    :param bus: ``DDDD:BB``
    """
    return (
        port,
        *(
            Function(
                address=f'{bus}:00.{number}',
                vendor=0x14E4,
                device=0x165F,
                subsystem=(0x14E4, 0x165F),
                class_code=NETWORK,
                driver='tg3',
                behind=port.address,
                numa_node=port.numa_node,
                bars=tuple(
                    Bar(n, 64 * KIB, BarKind.PREFETCHABLE_64)
                    for n in (0, 2, 4)
                ),
                link=Link('5.0 GT/s PCIe', 2, '5.0 GT/s PCIe', 2),
                reset_method='flr',
                aer=True,
            )
            for number in (0, 1)
        ),
    )


def intel_gpu(
    device: int, subsystem: tuple[int, int], aperture: int = 256 * MIB
) -> description.Function:
    """Describe an Intel iGPU that the firmware shows its screen on.

    :param aperture: bytes
    """
    return Function(
        address='0000:00:02.0',
        vendor=0x8086,
        device=device,
        subsystem=subsystem,
        class_code=description.VGA,
        driver='i915',
        bars=(
            Bar(0, 16 * MIB, BarKind.MEMORY_64),
            Bar(2, aperture, BarKind.PREFETCHABLE_64),
            Bar(4, 64, BarKind.IO),
            shadow_rom(),
        ),
        link=INTEGRATED,
        boot_vga=True,
        reset_method='flr',
        drm=('card0', 'renderD128'),
    )


def shadow_rom() -> description.Bar:
    """Describe the ROM of the boot VGA, which the firmware has copied."""
    return Bar(6, 128 * KIB, BarKind.SHADOW_ROM, start=0xC0000)
