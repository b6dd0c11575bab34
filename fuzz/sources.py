"""A host, a libvirt and a log that say whatever an input says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova_gpuvirt import model
from nova_gpuvirt.host import files

# In a folder: each of them is another folder of as many.
_NAMES = 50

CARD = model.PciAddress.parse('0000:41:00.0')


class Same(files.Files):
    """A host of which each file says the same, and each link and folder."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._text = data.decode(errors='surrogateescape')

    def read(self, path: str, size: int = -1) -> bytes:
        """Give all of it, or its beginning."""
        return self._data if size < 0 else self._data[:size]

    def names(self, path: str) -> list[str]:
        """Name a file for each line that can be the name of one."""
        lines = self._text.split('\n')[:_NAMES]
        return [n for n in lines if n and '/' not in n and '\0' not in n]

    def target(self, path: str) -> str:
        """Lead there."""
        return self._text

    def changed(self, path: str) -> int:
        """Have never changed."""
        return 0

    def mode(self, path: str) -> int:
        """Be a file that its owner may write to."""
        return 0o100644

    def exists(self, path: str) -> bool:
        """Have every file."""
        return True


class Libvirt:
    """A libvirt with one guest, whose every XML is the same."""

    def __init__(self, xml: str) -> None:
        self._xml = xml

    def listAllDomains(self, flags: int) -> list[Any]:  # noqa: N802
        """List the guest."""
        return [self]

    def lookupByUUIDString(self, name: str) -> Any:  # noqa: N802
        """Find the guest."""
        return self

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Give the XML."""
        return self._xml

    def UUIDString(self) -> str:  # noqa: N802
        """Name the guest."""
        return '155d900f-4e14-4e4c-a73d-069cbf4541e6'

    def getDomainCapabilities(self, *words: object) -> str:  # noqa: N802
        """Give the XML."""
        return self._xml

    def getVersion(self) -> int:  # noqa: N802
        """Be a new QEMU."""
        return 9_002_000


def says(text: str) -> Any:
    """Make a command that prints a text, whatever it is asked."""

    def run(argv: Sequence[str]) -> str:
        return text

    return run
