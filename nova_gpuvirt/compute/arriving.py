"""Which instances arrive on this host just now, and are not here already."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Arriving:
    """The instances that arrive, for all that is done for them meanwhile.

    One thread builds a guest: another that does something for the same
    instance does not see it.
    """

    def __init__(self) -> None:
        self._here = threading.local()

    def __contains__(self, instance: str) -> bool:
        """Tell whether an instance arrives, by its UUID."""
        return instance in self._uuids

    @contextlib.contextmanager
    def of(self, instance: str) -> Iterator[None]:
        """Let an instance arrive, by its UUID."""
        self._uuids.append(instance)
        try:
            yield
        finally:
            self._uuids.remove(instance)

    @property
    def _uuids(self) -> list[str]:
        uuids: list[str] = self._here.__dict__.setdefault('uuids', [])
        return uuids
