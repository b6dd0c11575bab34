"""The memory behind a BAR."""

from __future__ import annotations

_PAGE = 4096


class Memory:
    """As many zeros as a BAR is large; only what is written takes space."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def read(self, offset: int, count: int) -> bytes:
        """Read bytes."""
        data = bytearray()
        while len(data) < count:
            number, start = divmod(offset + len(data), _PAGE)
            page = self._pages.get(number) or bytes(_PAGE)
            data += page[start : start + count - len(data)]
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes."""
        done = 0
        while done < len(data):
            number, start = divmod(offset + done, _PAGE)
            page = self._pages.setdefault(number, bytearray(_PAGE))
            part = data[done : done + _PAGE - start]
            page[start : start + len(part)] = part
            done += len(part)

    def clear(self) -> None:
        """Be zeros again."""
        self._pages.clear()
