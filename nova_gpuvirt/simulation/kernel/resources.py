"""Where a host's firmware put the BARs, and how ``resource`` prints it.

Source of the layout: ``resource_show`` in the kernel's
drivers/pci/pci-sysfs.c, and what a real kernel printed. A function has 13
lines: 6 BARs, the expansion ROM, 6 BARs of all VFs together. A bridge has 4
more for the windows behind it.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description

_VF_LINES = 7
_WINDOW_LINES = 13
_MIB = 1 << 20
_FOUR_GIB = 1 << 32
# IORESOURCE_UNSET of the kernel's include/linux/ioport.h: no address yet.
_UNSET = 0x20000000

_Line = tuple[int, int, int]
"""Start, size in bytes, flags."""


@dataclasses.dataclass(slots=True)
class _Space:
    """An address space that is given out from the bottom."""

    free: int
    granularity: int
    window_flags: int

    def align(self) -> None:
        self.free += -self.free % self.granularity

    def take(self, size: int, alignment: int) -> int:
        start = self.free + -self.free % alignment
        self.free = start + size
        return start


class Resources:
    """The addresses of all BARs of a host."""

    def __init__(self, host: description.Host) -> None:
        self._host = host
        self._starts: dict[tuple[str, int], int] = {}
        self._windows: dict[str, tuple[_Line, ...]] = {}
        self._io = _Space(0x3000, 0x1000, 0x100)
        self._memory = _Space(0x9000_0000, _MIB, 0x200)
        self._high = _Space(0x3800_0000_0000, _MIB, 0x102201)
        self._place(None)

    def bars(self, function: description.Function) -> dict[int, _Line]:
        """Tell where the BARs of a function are, and its ROM, by index."""
        return {
            bar.index: self._line(
                self._start(function, bar), bar.size, bar.kind
            )
            for bar in function.bars
        }

    def text(self, function: description.Function) -> str:
        """Print ``resource`` of a function, or of a VF from `vf_bars`."""
        lines = self.bars(function)
        if function.vfs:
            lines |= {
                _VF_LINES + bar.index: self._line(
                    self._starts[function.address, _VF_LINES + bar.index],
                    bar.size * function.vfs.total,
                    bar.kind,
                )
                for bar in function.vfs.bars
            }
        windows = self._windows.get(function.address, ())
        lines |= {_WINDOW_LINES + n: w for n, w in enumerate(windows)}
        count = _WINDOW_LINES + 4 * function.is_bridge
        return ''.join(_line(*lines.get(n, (0, 0, 0))) for n in range(count))

    def vf_bars(
        self, pf: description.Function, number: int
    ) -> tuple[description.Bar, ...]:
        """Give the BARs of one VF: its part of what the PF has for all."""
        assert pf.vfs is not None, pf.address
        return tuple(
            dataclasses.replace(
                bar,
                start=self._starts[pf.address, _VF_LINES + bar.index]
                + number * bar.size,
            )
            for bar in pf.vfs.bars
        )

    def _line(self, start: int, size: int, kind: int) -> _Line:
        """Tell where a BAR is: nowhere, where the firmware has no room.

        The kernel says so in its log: "can't assign; no space".
        """
        if self._host.above_4g or size < _FOUR_GIB:
            return start, size, kind
        return 0, size, kind | _UNSET

    def _start(
        self, function: description.Function, bar: description.Bar
    ) -> int:
        if bar.start is not None:
            return bar.start
        return self._starts[function.address, bar.index]

    def _place(self, bridge: str | None) -> None:
        for function in self._host.behind(bridge):
            for bar in function.bars:
                if bar.start is None:
                    self._take(function.address, bar.index, bar.kind, bar.size)
            if function.vfs:
                for bar in function.vfs.bars:
                    self._take(
                        function.address,
                        _VF_LINES + bar.index,
                        bar.kind,
                        bar.size,
                        function.vfs.total,
                    )
            if function.is_bridge:
                self._place_behind(function.address)

    def _place_behind(self, bridge: str) -> None:
        spaces = (self._io, self._memory, self._high)
        for space in spaces:
            space.align()
        before = [space.free for space in spaces]
        self._place(bridge)
        for space in spaces:
            space.align()
        self._windows[bridge] = tuple(
            (start, space.free - start, space.window_flags)
            for start, space in zip(before, spaces, strict=True)
        )

    def _take(
        self,
        address: str,
        line: int,
        kind: description.BarKind,
        size: int,
        count: int = 1,
    ) -> None:
        match kind:
            case description.BarKind.IO:
                space = self._io
            case description.BarKind.PREFETCHABLE_64:
                space = self._high
            case _:
                space = self._memory
        self._starts[address, line] = space.take(size * count, size)


def _line(start: int, size: int, flags: int) -> str:
    if not size:
        start, size, flags = 0, 1, 0
    return f'0x{start:016x} 0x{start + size - 1:016x} 0x{flags:016x}\n'
