"""The PCI Express config space of a card.

The layout, and which bits can be written, are those of the PCI Express Base
Specification 4.0, 7.5 (header, power management, PCI Express capability) and
7.8.4 (advanced error reporting).
"""

from __future__ import annotations

import dataclasses
import struct

SIZE = 4096

_BARS = 0x10
_POWER = 0x60
_EXPRESS = 0x78
_ERRORS = 0x100

_DEVICE_CONTROL = _EXPRESS + 0x8
_FUNCTION_LEVEL_RESET = 0x8000  # in the device control
_ALL = 0xFFFFFFFF


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """A base address register: where it stands, and its size in bytes.

    A wide one takes the next index too, and is prefetchable.
    """

    index: int
    size: int
    wide: bool = False

    @property
    def address_bits(self) -> int:
        """The bits of an address that it does not decode itself."""
        return ~(self.size - 1) & 0xFFFFFFFFFFFFFFFF


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """The numbers by which a card is known, and its link."""

    vendor: int
    device: int
    subsystem_vendor: int
    subsystem_device: int
    class_code: int  # 24 bits
    revision: int
    link_speed: int  # 3 is 8 GT/s, 4 is 16 GT/s, 5 is 32 GT/s
    link_width: int = 16


class ConfigSpace:
    """What a card answers to reads and writes of its config space."""

    def __init__(self, identity: Identity, bars: tuple[Bar, ...]) -> None:
        self._initial = bytearray(SIZE)
        # Bits that keep what is written, and those that a written 1 clears.
        self._writable = bytearray(SIZE)
        self._cleared = bytearray(SIZE)
        self._header(identity)
        for bar in bars:
            self._bar(bar)
        self._power_management()
        self._express(identity)
        self._error_reporting()
        self._bytes = bytearray(self._initial)

    def reset(self) -> None:
        """Be as after power-on."""
        self._bytes[:] = self._initial

    def read(self, offset: int, count: int) -> bytes:
        """Read bytes; beyond the end they are zeros."""
        return bytes(self._bytes[offset : offset + count]).ljust(count, b'\0')

    def write(self, offset: int, data: bytes) -> bool:
        """Write bytes, as far as they can be written.

        :returns: whether a function level reset was asked for; it is left to
            the caller, since it resets more than the config space
        """
        for place, new in enumerate(data, offset):
            keep = self._writable[place]
            old = self._bytes[place] & ~(new & self._cleared[place])
            self._bytes[place] = (old & ~keep) | (new & keep)
        place = _DEVICE_CONTROL + 1 - offset
        asked = 0 <= place < len(data)
        return asked and bool(data[place] << 8 & _FUNCTION_LEVEL_RESET)

    def _put(self, form: str, offset: int, *values: int) -> None:
        struct.pack_into('<' + form, self._initial, offset, *values)

    def _keep(self, form: str, offset: int, *masks: int) -> None:
        struct.pack_into('<' + form, self._writable, offset, *masks)

    def _clear(self, form: str, offset: int, *masks: int) -> None:
        struct.pack_into('<' + form, self._cleared, offset, *masks)

    def _header(self, card: Identity) -> None:
        has_capabilities = 0x10
        self._put('HHHH', 0, card.vendor, card.device, 0, has_capabilities)
        self._put('I', 0x8, card.class_code << 8 | card.revision)
        self._put('HH', 0x2C, card.subsystem_vendor, card.subsystem_device)
        self._put('B', 0x34, _POWER)
        # Memory, bus master, parity, SERR#, no INTx
        self._keep('H', 0x4, 0x0546)
        self._keep('B', 0x3C, 0xFF)
        self._clear('H', 0x6, 0xF900)

    def _bar(self, bar: Bar) -> None:
        offset = _BARS + 4 * bar.index
        if bar.wide:
            wide_and_prefetchable = 0xC
            self._put('Q', offset, wide_and_prefetchable)
            self._keep('Q', offset, bar.address_bits)
        else:
            self._keep('I', offset, bar.address_bits & _ALL)

    def _power_management(self) -> None:
        keeps_state_in_d3 = 0x8
        self._put('BBHH', _POWER, 0x01, _EXPRESS, 0x3, keeps_state_in_d3)
        self._keep('H', _POWER + 0x4, 0x3)

    def _express(self, card: Identity) -> None:
        endpoint_version_2 = 0x2
        self._put('BBH', _EXPRESS, 0x10, 0, endpoint_version_2)
        # Function level reset, role-based error reporting, 256 bytes payload
        self._put('I', _EXPRESS + 0x4, 1 << 28 | 1 << 15 | 0x1)
        link = card.link_width << 4 | card.link_speed
        self._put('I', _EXPRESS + 0xC, link)
        self._put('H', _EXPRESS + 0x12, link)
        # Without the bit that asks for a reset, which reads as 0
        self._keep('H', _DEVICE_CONTROL, ~_FUNCTION_LEVEL_RESET & 0xFFFF)
        self._clear('H', _EXPRESS + 0xA, 0x000F)
        self._keep('H', _EXPRESS + 0x10, 0x01C3)
        completion_timeouts = 0x1F
        self._put('I', _EXPRESS + 0x24, completion_timeouts)
        self._keep('H', _EXPRESS + 0x28, completion_timeouts)
        self._put('I', _EXPRESS + 0x2C, (1 << card.link_speed) - 1 << 1)
        self._put('H', _EXPRESS + 0x30, card.link_speed)

    def _error_reporting(self) -> None:
        version = 2
        uncorrectable = 0x03FFF030
        correctable = 0x0000F1C1
        self._put('HH', _ERRORS, 0x0001, version)
        self._clear('I', _ERRORS + 0x4, uncorrectable)
        self._keep('II', _ERRORS + 0x8, uncorrectable, uncorrectable)
        self._put('I', _ERRORS + 0xC, 0x00462030)
        self._clear('I', _ERRORS + 0x10, correctable)
        self._put('I', _ERRORS + 0x14, 0x2000)
        self._keep('I', _ERRORS + 0x14, correctable)
