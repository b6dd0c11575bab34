"""The messages of vfio-user, version 0.0, as far as QEMU sends them.

Source: QEMU's docs/interop/vfio-user.rst. All numbers are little-endian.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import struct
from collections.abc import Iterator

_HEADER = struct.Struct('<HHIII')
_DEVICE = struct.Struct('<IIII')
_REGION = struct.Struct('<IIIIQQ')
_IRQ = struct.Struct('<IIII')
_ACCESS = struct.Struct('<QII')
_COUNT = struct.Struct('<Q')

HEADER_SIZE = _HEADER.size
# A write of REGION_WRITE_MULTI has room for this many bytes, used or not.
_MULTI_DATA = 8


class Command(enum.IntEnum):
    """What QEMU asks for."""

    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DEVICE_RESET = 13
    REGION_WRITE_MULTI = 15


class Region(enum.IntEnum):
    """The regions of a PCI function (linux/vfio.h, VFIO_PCI_*_REGION_INDEX).

    Those below ROM are the six BARs.
    """

    ROM = 6
    CONFIG = 7
    VGA = 8


class Flag(enum.IntFlag):
    """The flags of a header; without REPLY it is a command."""

    REPLY = 0x01
    NO_REPLY = 0x10
    ERROR = 0x20


class DeviceFlag(enum.IntFlag):
    """What a device is and can (VFIO_DEVICE_FLAGS_*)."""

    RESET = 0x1
    PCI = 0x2


class RegionFlag(enum.IntFlag):
    """What may be done with a region (VFIO_REGION_INFO_FLAG_*)."""

    READ = 0x1
    WRITE = 0x2


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What every message begins with; `size` counts the header too."""

    id: int
    command: int
    size: int
    flags: Flag = Flag(0)
    error: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Read one from the first bytes of a message."""
        number, command, size, flags, error = _HEADER.unpack_from(data)
        return cls(number, command, size, Flag(flags), error)

    def __bytes__(self) -> bytes:
        return _HEADER.pack(
            self.id, self.command, self.size, self.flags, self.error
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Some bytes of a region, as a read and a write name them."""

    offset: int
    region: int
    count: int

    @classmethod
    def parse(cls, payload: bytes) -> Access:
        """Read one from the first bytes of a payload."""
        return cls(*_ACCESS.unpack_from(payload))

    def __bytes__(self) -> bytes:
        return _ACCESS.pack(self.offset, self.region, self.count)


def reply(request: Header, payload: bytes, error: int = 0) -> bytes:
    """Answer a request; with an errno it has no payload."""
    flags = Flag.REPLY
    if error:
        flags |= Flag.ERROR
        payload = b''
    size = HEADER_SIZE + len(payload)
    header = Header(request.id, request.command, size, flags, error)
    return bytes(header) + payload


def version() -> bytes:
    """Say which protocol is spoken: 0.0, with no file descriptors."""
    capabilities = {'capabilities': {'max_data_xfer_size': 1 << 20}}
    return struct.pack('<HH', 0, 0) + json.dumps(capabilities).encode() + b'\0'


def device_info(flags: DeviceFlag, irqs: int) -> bytes:
    """Say what a device is, and how many regions and interrupts it has."""
    return _DEVICE.pack(_DEVICE.size, flags, Region.VGA + 1, irqs)


def region_asked_for(payload: bytes) -> int:
    """Read which region DEVICE_GET_REGION_INFO is about."""
    index: int = _REGION.unpack_from(payload)[2]
    return index


def region_info(index: int, size: int) -> bytes:
    """Say how large a region is, in bytes; 0 where there is none."""
    flags = RegionFlag.READ | RegionFlag.WRITE if size else RegionFlag(0)
    return _REGION.pack(_REGION.size, flags, index, 0, size, 0)


def irq_info(payload: bytes) -> bytes:
    """Say that there is no interrupt of the kind asked for."""
    index = _IRQ.unpack_from(payload)[2]
    return _IRQ.pack(_IRQ.size, 0, index, 0)


def written(payload: bytes) -> tuple[Access, bytes]:
    """Read what REGION_WRITE writes where."""
    access = Access.parse(payload)
    return access, payload[_ACCESS.size : _ACCESS.size + access.count]


def written_many(payload: bytes) -> Iterator[tuple[Access, bytes]]:
    """Read what REGION_WRITE_MULTI writes where."""
    (count,) = _COUNT.unpack_from(payload)
    step = _ACCESS.size + _MULTI_DATA
    for start in range(_COUNT.size, _COUNT.size + count * step, step):
        yield written(payload[start : start + step])


def wrote_many(payload: bytes) -> bytes:
    """Answer REGION_WRITE_MULTI: as many writes as were asked for."""
    return payload[: _COUNT.size]
