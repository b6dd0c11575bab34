"""Room for large BARs in a guest's physical address space.

A guest's firmware puts 64-bit BARs above its memory. It has to know how wide
the processor's addresses are, and the ACPI tables have to declare a window
that is large enough: QEMU's own is 2 GiB on i440fx and 32 GiB on q35
(hw/pci-host/i440fx.c and q35.c, ``pci-hole64-size``). SeaBIOS and OVMF (since
edk2-stable202211) then take as much as the BARs need.

ARM's ``virt`` has a window of 512 GiB above the memory (hw/arm/virt.c,
``VIRT_HIGH_PCIE_MMIO``). From QEMU 10.0 on ``highmem-mmio-size`` makes it
larger, which no release of libvirt can say (NEWS.rst up to 12.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt.host import hypervisor

_GIB = 1 << 30
_FOUR_GIB = 4 * _GIB
_HOLE_PCI = 2 * _GIB
_HOLE_PCIE = 32 * _GIB
_HOLE_ARM = 512 * _GIB
# What QEMU gives to a guest unasked (target/i386/cpu.h, TCG_PHYS_ADDR_BITS).
_QEMU_BITS = 40


class Root(vconfig.LibvirtConfigGuestPCIeRootController):
    """The root of a guest's PCI, with the size of its 64-bit window.

    :param size: bytes
    """

    def __init__(self, model: str, size: int) -> None:
        super().__init__()
        self.model = model
        self.index = 0
        self._size = size

    def format_dom(self) -> Any:
        """Add the window to what Nova writes."""
        dev = super().format_dom()
        hole = etree.SubElement(dev, 'pcihole64', unit='KiB')
        hole.text = str(self._size >> 10)
        return dev


def window(bars: Iterable[int]) -> int:
    """Tell how large a window holds these BARs, in bytes, a power of two.

    Each lies at a multiple of its own size, which is a power of two; laid
    out by size they leave no gaps.
    """
    return _power(sum(_power(size) for size in bars if size))


def bits_needed(memory: int, window_size: int) -> int:
    """Tell how wide addresses have to be.

    :param memory: the guest's, in bytes
    :param window_size: the window's, which begins at a multiple of it
    """
    above = _FOUR_GIB + memory
    start = -(-above // window_size) * window_size
    return (start + window_size - 1).bit_length()


def widen(
    config: vconfig.LibvirtConfigGuest,
    bars: Iterable[int],
    *,
    physical_bits: int | None,
    iommu_bits: int | None,
    libvirt_version: int,
) -> None:
    """Make room for BARs; a guest with small ones stays as it is.

    :param bars: sizes in bytes, of BARs or of what a bridge keeps for some
    :raises PrepareFailed: when the host or the flavor leaves no room
    """
    size = window(bars)
    pcie = 'q35' in (config.os_mach_type or '')
    if size <= (_HOLE_PCIE if pcie else _HOLE_PCI):
        return
    machine = config.os_mach_type or 'pc'
    if config.os_arch not in (None, 'x86_64') or machine.startswith('virt'):
        # Such machines place their window by themselves.
        if _is_arm(config.os_arch) and size > _HOLE_ARM:
            raise _no_room_on_arm(size)
        return
    needed = bits_needed(config.memory << 10, size)
    host = min(b for b in (physical_bits, iommu_bits, 64) if b is not None)
    if needed > host:
        raise _no_room(
            size,
            needed,
            f'{host} bits on this host (processor '
            f'{physical_bits or "unknown"}, IOMMU {iommu_bits or "unknown"})',
            'use a card with smaller BARs, or a host with wider addresses',
        )
    _widen_cpu(config, size, needed, host, physical_bits, libvirt_version)
    root = Root('pcie-root' if pcie else 'pci-root', size)
    config.devices = [
        d
        for d in config.devices
        if not isinstance(d, vconfig.LibvirtConfigGuestPCIeRootController)
    ]
    config.devices.insert(0, root)


def _widen_cpu(
    config: vconfig.LibvirtConfigGuest,
    size: int,
    needed: int,
    host: int,
    physical_bits: int | None,
    libvirt_version: int,
) -> None:
    """Show the guest the host's width, or the IOMMU's if that is less."""
    if config.cpu is None:
        config.cpu = vconfig.LibvirtConfigGuestCPU()
    chosen = config.cpu.maxphysaddr
    if chosen is not None:
        bits = chosen.bits or 0
        if chosen.mode == 'emulate' and not needed <= bits <= host:
            # An image may say so, and each host would be called failing.
            raise _no_room(
                size,
                needed,
                f'hw:maxphysaddr_bits={bits} in flavor or image, and {host} '
                'on this host',
                'choose a number between, or leave it out',
                exception.RequestImpossible,
            )
        return
    if libvirt_version < hypervisor.LIBVIRT_WITH_MAXPHYSADDR:
        # The host's own CPU brings its width along.
        if needed <= _QEMU_BITS or config.cpu.mode == 'host-passthrough':
            return
        raise _no_room(
            size,
            needed,
            f'libvirt {libvirt_version}, which can not widen them',
            'use libvirt 8.7.0 or newer',
        )
    width = vconfig.LibvirtConfigGuestCPUMaxPhysAddr()
    # Of the two modes it suits every model of CPU.
    width.mode = 'emulate'
    width.bits = host if physical_bits is not None else needed
    config.cpu.maxphysaddr = width


def _is_arm(arch: str | None) -> bool:
    """Tell whether a guest whose machine is ``virt`` is one of ARM's."""
    return arch in (None, 'aarch64')


def _no_room_on_arm(size: int) -> exception.GpuvirtError:
    return exception.PrepareFailed(
        'guest',
        wanted=f'room for BARs in a window of {size // _GIB} GiB',
        found=f"{_HOLE_ARM // _GIB} GiB, as QEMU's machine virt has",
        remedy='let the flavor ask for fewer of these cards, or for cards '
        'with smaller BARs',
    )


def _no_room(
    size: int,
    needed: int,
    found: str,
    remedy: str,
    kind: type[exception.GpuvirtError] = exception.PrepareFailed,
) -> exception.GpuvirtError:
    return kind(
        'guest',
        wanted=f'addresses of {needed} bits, for BARs in a window of '
        f'{size // _GIB} GiB above its memory',
        found=found,
        remedy=remedy,
    )


def _power(size: int) -> int:
    """Round up to a power of two."""
    return 1 << (size - 1).bit_length() if size else 0
