"""Which cards no further guest may have, since somebody said so.

An operator says it by the command, and nova-compute of a card that is sick.
Either stands in the card's record, and so counts over restarts. Guests that
have the card keep it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Mapping

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import records as records_

LOG = logging.getLogger(__name__)


def _nothing() -> records_.Known:
    return {}


class Quarantine:
    """The quarantine of this host, as it was at the last look.

    :param read: reads what is remembered
    :ivar cards: those that are in it, there or not
    :ivar unknown: why it is not known which those are; None where it is
    """

    def __init__(self, read: Callable[[], records_.Known] = _nothing) -> None:
        self._read = read
        self.cards: Mapping[model.PciAddress, record_.Quarantine] = {}
        self.unknown: str | None = None

    def look(self) -> None:
        """Read again which cards are in quarantine.

        One whose record can't be gone by is, and no other for that; while
        the records can't be read at all, all are.
        """
        try:
            known = self._read()
        except exception.InvalidRecord as error:
            if self.unknown != (why := str(error)):
                LOG.error('No GPU is offered: %s', why)
            self.unknown = why
            return
        self.unknown = None
        self.cards = {
            card: quarantine
            for card, found in known.items()
            if (quarantine := of(found)) is not None
        }

    def why_not(self, gpu: model.Gpu) -> str | None:
        """Tell why no further guest may have a card, None where one may."""
        if self.unknown is not None:
            return f'it may be in quarantine: {self.unknown}'
        function = gpu.function
        found = self.cards.get(function.address) if function else None
        return None if found is None else f'it is in quarantine: {told(found)}'

    def is_quarantined(self, device: model.Device) -> bool:
        """Tell whether a card is in quarantine, also one that is not there."""
        return self.unknown is not None or device in self.cards


def of(
    found: record_.Record | exception.InvalidRecord,
) -> record_.Quarantine | None:
    """Tell whether a card is in quarantine by what is remembered of it.

    Who knows nothing of it can't tell that guests may have it.
    """
    if isinstance(found, exception.InvalidRecord):
        return record_.Quarantine(str(found), '', record_.By.NOVA_GPUVIRT)
    return found.quarantine


def told(quarantine: record_.Quarantine) -> str:
    """Tell why a card is in quarantine, by whom and since when."""
    if not quarantine.since:
        return quarantine.reason
    who = f'{quarantine.by.value}, {quarantine.since}'
    return f'{quarantine.reason} ({who})'
