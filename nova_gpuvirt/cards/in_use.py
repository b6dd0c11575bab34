"""Which cards the host itself uses, from one update to the next. Pure.

Monitoring opens a card for moments. So only a process that two updates in a
row have seen keeps the card from guests. What can't be seen changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from nova_gpuvirt import model
from nova_gpuvirt.host import card_openers

# Beginnings of the names of processes that have a card for a guest: claims
# and vGPUs tell of them.
_FOR_GUESTS = ('qemu-', 'nvidia-vgpu')
_SHOWN = 3


class InUse:
    """The processes that stay with a card."""

    def __init__(self) -> None:
        self._last: dict[model.Device, frozenset[card_openers.Opener]] = {}
        self._staying: dict[model.Device, frozenset[card_openers.Opener]] = {}

    def saw(
        self, card: model.Device, openers: Collection[card_openers.Opener]
    ) -> None:
        """Take note of who has a card open in this update."""
        found = frozenset(o for o in openers if is_of_the_host(o))
        self._staying[card] = found & self._last.get(card, frozenset())
        self._last[card] = found

    def forget(self, card: model.Device) -> None:
        """Take note that the host's driver has a card no more."""
        self._staying.pop(card, None)
        self._last.pop(card, None)

    def why_not(self, card: model.Device) -> str | None:
        """Tell why a card is not for guests, if the host uses it."""
        staying = self._staying.get(card)
        if not staying:
            return None
        return (
            f'{named(staying)} of the host has it open: end that, or let '
            'vfio-pci have the card from the start of the host'
        )


def is_of_the_host(opener: card_openers.Opener) -> bool:
    """Tell whether a process has a card for the host, and for no guest."""
    return not opener.is_own and not opener.name.startswith(_FOR_GUESTS)


def named(openers: Collection[card_openers.Opener]) -> str:
    """Name some processes, and count the others."""
    first = sorted(openers)[:_SHOWN]
    more = len(openers) - len(first)
    return ', '.join(map(str, first)) + (f' and {more} more' if more else '')


def keeping(
    openers: Collection[card_openers.Opener] | None, is_locked: bool | None
) -> str | None:
    """Tell who keeps a card with its driver, None where nobody is known to.

    :param openers: None where they can't be seen
    :param is_locked: False where NVIDIA's lock was refused
    """
    if openers:
        return named(openers)
    if is_locked is False:
        return 'something that can not be seen, by its unbindLock,'
    return None
