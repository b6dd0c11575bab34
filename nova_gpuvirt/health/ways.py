"""How what a guest had is made clean for the next one, kind by kind."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from nova_gpuvirt import backends
from nova_gpuvirt import model
from nova_gpuvirt.backends import api_forwarding

_MAKES = {backend.kind: backend.makes for backend in backends.BACKENDS}

KINDS: tuple[str, ...] = tuple(
    kind for kind in _MAKES if kind != api_forwarding.ApiForwarding.kind
)
"""The kinds of which something may stay: all but sessions on a renderer."""


class Way(enum.Enum):
    """What is done between two guests."""

    RESET = 'reset'
    HOOK = 'hook'  # the site's program, and a reset after it
    NONE = 'none'


class Ways:
    """What is done for each kind.

    :param chosen: for those kinds that are not just reset
    """

    def __init__(self, chosen: Mapping[str, Way] | None = None) -> None:
        self._chosen = chosen or {}

    def of(self, kind: str) -> Way:
        """Tell what is done for a kind."""
        if kind not in KINDS:
            return Way.NONE
        return self._chosen.get(kind, Way.RESET)

    def has_hook(self, slot: model.Slot) -> bool:
        """Tell whether a hook runs before something of a slot is taken back.

        What is not made for a guest is taken back before: it is still there.
        """
        makes = _MAKES.get(slot.kind, False)
        return makes and self.of(slot.kind) is Way.HOOK

    def is_remembered(self, kind: str) -> bool:
        """Tell whether it is remembered who has something of a kind.

        A device that is made for a guest is there for as long as anything of
        that guest is, and so the kernel remembers it; but for a hook, which
        may be due when nova-compute is killed.
        """
        way = self.of(kind)
        if _MAKES.get(kind, True):
            return way is Way.HOOK
        return way is not Way.NONE
