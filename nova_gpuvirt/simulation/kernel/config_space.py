"""The configuration space of a function, as root reads it.

Layouts are those of the PCI Express Base Specification, with the numbers of
the kernel's include/uapi/linux/pci_regs.h. A function of PCI Express has 4096
bytes, another 256. Capabilities are where cards of NVIDIA's have theirs (lspci
of an A100, as users show it), whoever made the card; only what the kernel and
we look at is filled in. The command register is not simulated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt.simulation import description

HEADER = 64
CONVENTIONAL = 256
WHOLE = 4096

_CAPABILITIES_LIST = 0x10  # of the status register
_POINTER = 0x34
_BARS = 0x10
_ROM = 0x30
_ROM_INDEX = 6
_IO, _HIGH, _PREFETCHABLE = 0x1, 0x4, 0x8
_PM, _MSI, _EXPRESS, _MSIX = 0x01, 0x05, 0x10, 0x11
_FIRST_EXTENDED = 0x100
_VC, _AER, _ARI, _SRIOV = 0x02, 0x01, 0x0E, 0x10
_UNSET = 0x20000000  # IORESOURCE_UNSET: the register keeps no address
_ROOT_PORT = 4
_FLR = 1 << 28  # of the device capabilities register

Lines = Mapping[int, tuple[int, int, int]]
"""Start, size and flags of each BAR and of the ROM (6), by index."""


def of(function: description.Function, bars: Lines) -> bytes:
    """Give the whole of it, as the firmware and the kernel leave it.

    The ids of a VF are all ones (PCI Express Base Specification, "SR-IOV"):
    they follow from its PF. So are its BARs: they are 0.
    """
    size = CONVENTIONAL if function.link is None else WHOLE
    if function.off_the_bus:
        return b'\xff' * size
    space = bytearray(size)
    is_vf = function.physfn is not None
    ids = (0xFFFF, 0xFFFF) if is_vf else (function.vendor, function.device)
    struct.pack_into(
        '<HHHHBBHBBBB',
        space,
        0,
        *ids,
        *(0, _CAPABILITIES_LIST),
        function.revision,
        function.class_code & 0xFF,
        function.class_code >> 8,
        *(0, 0, int(function.is_bridge), 0),
    )
    if not function.is_bridge:
        struct.pack_into('<HH', space, 0x2C, *function.subsystem)
    if not is_vf:
        _write_bars(space, function, bars)
    _chain(space, function)
    if size == WHOLE:
        _chain_extended(space, function)
    return bytes(space)


def is_off(header: bytes) -> bool:
    """Tell whether a function does not answer at all."""
    return bool(header) and header == b'\xff' * len(header)


def without_bars(space: bytes) -> bytes:
    """Give one whose first BAR that is set has lost its address."""
    for place in range(_BARS, _BARS + 6 * 4, 4):
        if any(space[place : place + 4]):
            return space[:place] + bytes(4) + space[place + 4 :]
    return space


def without_capabilities(space: bytes) -> bytes:
    """Give one whose chain of capabilities ends behind the first."""
    first = space[_POINTER]
    if not first:
        return space
    return space[: first + 1] + b'\0' + space[first + 2 :]


def _write_bars(
    space: bytearray, function: description.Function, bars: Lines
) -> None:
    count = 2 if function.is_bridge else 6
    for bar in function.bars:
        start, _, flags = bars[bar.index]
        if flags & _UNSET:
            start = 0
        if bar.index == _ROM_INDEX and not function.is_bridge:
            struct.pack_into('<I', space, _ROM, start & 0xFFFFFFFF)
        elif bar.index < count:
            _write_bar(space, bar, start)


def _write_bar(space: bytearray, bar: description.Bar, start: int) -> None:
    kind, place = description.BarKind, _BARS + 4 * bar.index
    wide = bar.kind in (kind.MEMORY_64, kind.PREFETCHABLE_64)
    flags = _IO if bar.kind is kind.IO else 0
    if wide:
        flags |= _HIGH
    if bar.kind in (kind.PREFETCHABLE, kind.PREFETCHABLE_64):
        flags |= _PREFETCHABLE
    struct.pack_into('<I', space, place, start & 0xFFFFFFF0 | flags)
    if wide and bar.index < 5:
        struct.pack_into('<I', space, place + 4, start >> 32)


def _chain(space: bytearray, function: description.Function) -> None:
    found = [] if function.physfn else [(_PM, 0x60), (_MSI, 0x68)]
    if function.link is not None:
        found += [(_EXPRESS, 0x78)]
        found += [] if function.is_bridge else [(_MSIX, 0xC8)]
    if not found:
        return
    space[_POINTER] = found[0][1]
    nexts = [place for _, place in found[1:]] + [0]
    for (number, place), following in zip(found, nexts, strict=True):
        space[place], space[place + 1] = number, following
    if function.link is not None:
        kind = _ROOT_PORT if function.is_bridge else 0
        flr = _FLR if 'flr' in (function.reset_method or '').split() else 0
        struct.pack_into('<HI', space, 0x7A, kind << 4 | 2, flr)


def _chain_extended(space: bytearray, function: description.Function) -> None:
    found: list[tuple[int, int, int]] = []
    if function.physfn:
        found = [(_ARI, 1, _FIRST_EXTENDED)]
    else:
        found = [(_VC, 1, _FIRST_EXTENDED)]
        if function.aer:
            found.append((_AER, 2, 0x420))
        if function.vfs:
            found += [(_SRIOV, 1, 0xBCC), (_ARI, 1, 0xC14)]
    _link_extended(space, found)


def _link_extended(
    space: bytearray, found: Iterable[tuple[int, int, int]]
) -> None:
    entries = list(found)
    nexts = [place for _, _, place in entries[1:]] + [0]
    for (number, version, place), after in zip(entries, nexts, strict=True):
        head = number | version << 16 | after << 20
        struct.pack_into('<I', space, place, head)
