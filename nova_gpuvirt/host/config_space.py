"""What a function's configuration space says of how it is built. Pure.

Layouts are those of the PCI Express Base Specification ("Software
Initialization and Configuration") and of the kernel's include/uapi/linux/
pci_regs.h. The bytes are a device's, which a guest had: nothing is taken for
true of them, and each chain is followed for so long as one can be.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Iterator

HEADER = 64
"""The bytes that everybody may read."""
CONVENTIONAL = 256
"""The bytes in which capabilities are."""
WHOLE = 4096
"""The bytes in which extended capabilities are, of PCI Express."""

Capability = tuple[int, int]
"""The id of a capability, and where it is."""
Extended = tuple[int, int, int]
"""The id of an extended capability, its version, and where it is."""

_ALL_ONES = b'\xff'
_STATUS = 0x06
_HAS_LIST = 0x10
_HEADER_TYPE = 0x0E
_ONE_OF_SEVERAL = 0x80
_BARS = 0x10
_BARS_OF = {0: 6, 1: 2}  # by header type: of a function, of a bridge
_SUBSYSTEM = 0x2C
_POINTER = 0x34
_CARDBUS, _CARDBUS_POINTER = 2, 0x14
_NO_ID = 0xFF

_NAMES = {
    0x01: 'Power Management',
    0x03: 'Vital Product Data',
    0x05: 'MSI',
    0x09: 'Vendor Specific',
    0x0D: 'Subsystem of a bridge',
    0x10: 'PCI Express',
    0x11: 'MSI-X',
    0x13: 'Advanced Features',
    0x14: 'Enhanced Allocation',
}
_EXTENDED_NAMES = {
    0x01: 'Advanced Error Reporting',
    0x02: 'Virtual Channel',
    0x03: 'Device Serial Number',
    0x04: 'Power Budgeting',
    0x0B: 'Vendor Specific',
    0x0D: 'Access Control Services',
    0x0E: 'Alternative Routing-ID',
    0x0F: 'Address Translation Services',
    0x10: 'SR-IOV',
    0x13: 'Page Request Interface',
    0x15: 'Resizable BAR',
    0x18: 'Latency Tolerance Reporting',
    0x19: 'Secondary PCI Express',
    0x1B: 'PASID',
    0x1E: 'L1 PM Substates',
    0x1F: 'Precision Time Measurement',
    0x23: 'Designated Vendor Specific',
    0x24: 'VF Resizable BAR',
    0x25: 'Data Link Feature',
    0x26: 'Physical Layer 16 GT/s',
    0x2A: 'Physical Layer 32 GT/s',
    0x2E: 'Data Object Exchange',
}

_UNKNOWN, _NONE = '?', '-'
_CAPABILITY = r'[0-9a-f]{2}@[0-9a-f]{2}'
_EXTENDED_CAPABILITY = r'[0-9a-f]{4}\.[0-9a-f]@[0-9a-f]{3}'


def _list(item: str) -> str:
    return rf'(?:{item})(?:,{item})*'


_TEXT = re.compile(
    r'ids=([0-9a-f]{4}):([0-9a-f]{4})'
    r' subsystem=([0-9a-f]{4}):([0-9a-f]{4})'
    r' class=([0-9a-f]{6}) type=([0-9a-f]{2})'
    rf' bars=(-|{_list("[0-9a-f]{8}")})'
    rf' caps=([?-]|{_list(_CAPABILITY)})'
    rf' extended=([?-]|{_list(_EXTENDED_CAPABILITY)})'
)


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigSpace:
    """A function as its configuration space describes it.

    :ivar vendor: 0xffff, as the device is, of a VF
    :ivar subsystem: vendor and device; that of a bridge is a capability, and
        both are 0 here
    :ivar header_type: without the bit that tells of several functions
    :ivar bars: the registers as they are, with their flags: six, and two of a
        bridge. One of 64 bits takes two; those of a VF are 0
    :ivar capabilities: in the order of their chain; None where too little was
        read to know
    :ivar extended: the same, of those of PCI Express
    """

    vendor: int
    device: int
    subsystem: tuple[int, int]
    class_code: int
    header_type: int
    bars: tuple[int, ...]
    capabilities: tuple[Capability, ...] | None
    extended: tuple[Extended, ...] | None


def parse(raw: bytes) -> ConfigSpace:
    """Read a configuration space, of whatever device.

    A chain that leads back to itself, out of its space, or to what is no
    capability ends there.

    :raises ValueError: for less than the header's 64 bytes
    """
    if len(raw) < HEADER:
        raise ValueError(f'{len(raw)} bytes are no configuration space')
    vendor, device = struct.unpack_from('<HH', raw)
    kind = raw[_HEADER_TYPE] & ~_ONE_OF_SEVERAL
    subsystem: tuple[int, int] = (0, 0)
    if kind == 0:
        subsystem = struct.unpack_from('<HH', raw, _SUBSYSTEM)
    return ConfigSpace(
        vendor=vendor,
        device=device,
        subsystem=subsystem,
        class_code=raw[9] | raw[10] << 8 | raw[11] << 16,
        header_type=kind,
        bars=struct.unpack_from(f'<{_BARS_OF.get(kind, 0)}I', raw, _BARS),
        capabilities=(
            tuple(_capabilities(raw, kind))
            if len(raw) >= CONVENTIONAL
            else None
        ),
        extended=tuple(_extended(raw)) if len(raw) >= WHOLE else None,
    )


def is_all_ones(raw: bytes) -> bool:
    """Tell whether a function does not answer, as one that is off the bus.

    All of its header is looked at, since the ids of a VF are all ones (PCI
    Express Base Specification, "SR-IOV"), and the rest is not.

    :returns: also False where less than the header was read
    """
    return len(raw) >= HEADER and raw[:HEADER] == _ALL_ONES * HEADER


def text(space: ConfigSpace) -> str:
    """Print it in one line, to compare a function with itself at another time.

    It is the same before and after a reset, and with another driver, as long
    as the function is whole. So left out is what software writes: the command
    and status registers, the interrupt line, latency and cache line, the ROM
    with its bit that enables it, and all that is inside a capability. Here is
    what the device's maker has built in, and the BARs, which keep their
    addresses while memory is not decoded, and which the kernel writes again
    after a reset (``pci_restore_state``). A guest does not write them: VFIO
    shows it others (drivers/vfio/pci/vfio_pci_config.c).

    One driver may move a BAR: one that makes it larger when it takes the
    function for the first time since the host's start
    (``pci_resize_resource``: amdgpu, xe, i915). A change of a card's mode that
    its maker makes (of NVIDIA's display mode, of SR-IOV in the firmware)
    changes what is built in. Compare with a text from after that.
    """
    bars = ','.join(f'{bar:08x}' for bar in space.bars)
    return (
        f'ids={space.vendor:04x}:{space.device:04x}'
        f' subsystem={space.subsystem[0]:04x}:{space.subsystem[1]:04x}'
        f' class={space.class_code:06x} type={space.header_type:02x}'
        f' bars={bars or _NONE}'
        f' caps={_printed(space.capabilities, "{:02x}@{:02x}")}'
        f' extended={_printed(space.extended, "{:04x}.{:x}@{:03x}")}'
    )


def differences(before_text: str, after_text: str) -> tuple[str, ...]:
    """Tell in words what is not as before; nothing where all of it is.

    What one of them does not know is not compared.

    :param before_text: as `text` prints it
    :raises ValueError: for a text that `text` has not printed
    """
    before, after = _parsed(before_text), _parsed(after_text)
    return (
        *_different_numbers(before, after),
        *_different_bars(before, after),
        *_different_chain(
            'capability',
            _named(before.capabilities),
            _named(after.capabilities),
        ),
        *_different_chain(
            'extended capability',
            _named_extended(before.extended),
            _named_extended(after.extended),
        ),
    )


def _capabilities(raw: bytes, kind: int) -> Iterator[Capability]:
    """Follow the chain, each place of it once."""
    if not raw[_STATUS] & _HAS_LIST:
        return
    pointer = _CARDBUS_POINTER if kind == _CARDBUS else _POINTER
    place = raw[pointer] & ~3
    seen: set[int] = set()
    while place >= HEADER and place not in seen:
        seen.add(place)
        if raw[place] == _NO_ID:
            return
        yield raw[place], place
        place = raw[place + 1] & ~3


def _extended(raw: bytes) -> Iterator[Extended]:
    """Follow the chain, each place of it once."""
    place = CONVENTIONAL
    seen: set[int] = set()
    while place >= CONVENTIONAL and place not in seen:
        seen.add(place)
        (head,) = struct.unpack_from('<I', raw, place)
        if head in (0, 0xFFFFFFFF):  # there is none
            return
        yield head & 0xFFFF, head >> 16 & 0xF, place
        place = head >> 20 & ~3


def _printed(
    chain: tuple[Capability, ...] | tuple[Extended, ...] | None, form: str
) -> str:
    if chain is None:
        return _UNKNOWN
    return ','.join(form.format(*found) for found in chain) or _NONE


def _parsed(line: str) -> ConfigSpace:
    """Read what `text` has printed."""
    match = _TEXT.fullmatch(line)
    if match is None:
        raise ValueError(f'{line!r} is no text of a configuration space')
    numbers = [int(number, 16) for number in match.groups()[:6]]
    vendor, device, of_vendor, of_device, class_code, kind = numbers
    bars, capabilities, extended = match.groups()[6:]
    return ConfigSpace(
        vendor,
        device,
        (of_vendor, of_device),
        class_code,
        kind,
        tuple(number for (number,) in _items(bars)),
        None
        if capabilities == _UNKNOWN
        else tuple((number, at) for number, at in _items(capabilities)),
        None
        if extended == _UNKNOWN
        else tuple((n, version, at) for n, version, at in _items(extended)),
    )


def _items(chain: str) -> Iterator[list[int]]:
    if chain != _NONE:
        for item in chain.split(','):
            yield [int(number, 16) for number in re.split('[.@]', item)]


def _different_numbers(
    before: ConfigSpace, after: ConfigSpace
) -> Iterator[str]:
    for what, old, new in (
        ('vendor id', f'0x{before.vendor:04x}', f'0x{after.vendor:04x}'),
        ('device id', f'0x{before.device:04x}', f'0x{after.device:04x}'),
        ('subsystem', _ids(before.subsystem), _ids(after.subsystem)),
        ('class', f'0x{before.class_code:06x}', f'0x{after.class_code:06x}'),
        (
            'header type',
            f'0x{before.header_type:02x}',
            f'0x{after.header_type:02x}',
        ),
    ):
        if old != new:
            yield f'{what} was {old} and is {new}'


def _ids(ids: tuple[int, int]) -> str:
    return f'{ids[0]:04x}:{ids[1]:04x}'


def _different_bars(before: ConfigSpace, after: ConfigSpace) -> Iterator[str]:
    # Where their numbers differ the header type has told so.
    pairs = zip(before.bars, after.bars, strict=False)
    for index, (old, new) in enumerate(pairs):
        if old != new:
            yield f'BAR {index} was 0x{old:08x} and is 0x{new:08x}'


def _named(chain: tuple[Capability, ...] | None) -> list[str] | None:
    if chain is None:
        return None
    return [
        f'{number:02x}{_name(_NAMES, number)} at 0x{place:02x}'
        for number, place in chain
    ]


def _named_extended(chain: tuple[Extended, ...] | None) -> list[str] | None:
    if chain is None:
        return None
    return [
        f'{number:04x}{_name(_EXTENDED_NAMES, number)}, version {version}, '
        f'at 0x{place:03x}'
        for number, version, place in chain
    ]


def _name(names: dict[int, str], number: int) -> str:
    return f' ({names[number]})' if number in names else ''


def _different_chain(
    kind: str, before: list[str] | None, after: list[str] | None
) -> Iterator[str]:
    if before is None or after is None:
        return
    for found in before:
        if found not in after:
            yield f'{kind} {found} is gone'
    for found in after:
        if found not in before:
            yield f'{kind} {found} is new'
    if before != after and sorted(before) == sorted(after):
        yield f'each {kind} is there, in another order'
