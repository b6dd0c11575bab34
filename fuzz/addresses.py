"""Whether addresses that were read stand in what was read."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz import target
from nova_gpuvirt import model


def stand_in(text: str, found: Iterable[object]) -> None:
    """Make sure that no address came from elsewhere.

    :param found: of devices; only PCI addresses, and sets of them, count
    :raises Broken: when one did
    """
    lower = text.lower()
    for device in found:
        if isinstance(device, model.CardSet):
            stand_in(text, device.cards)
        elif isinstance(device, model.PciAddress):
            short = f'{device.bus:02x}:{device.slot:02x}'
            target.check(
                short in lower and f'{device.domain:x}' in lower,
                f'{device} does not stand in {text!r}',
            )
