"""Sick cards, put into quarantine, and taken out when they are well.

It stands in the card's record, so a card that was sick stays so over a restart
of nova-compute until it was seen well. What an operator has said is not
touched; one who releases a card has it taken for well until a sign is seen
anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.health import watch as watch_

LOG = logging.getLogger(__name__)


class Sickness:
    """The quarantine of sick cards of this host.

    :param watch: tells which cards are sick
    :param dirt: tells of which something could not be cleaned
    """

    def __init__(
        self,
        watch: watch_.Watch,
        records: records_.Records,
        dirt: dirt_.Dirt,
    ) -> None:
        self._watch = watch
        self._records = records
        self._dirt = dirt
        self._before: frozenset[model.PciAddress] = frozenset()
        self._warnings = once.Once(LOG)

    def look(self, gpus: Collection[model.Gpu]) -> None:
        """Look at all cards, and remember which became sick or well.

        One that can't be remembered is sick nevertheless, while this runs.

        :param gpus: those that were found
        """
        sick = self._in_quarantine()
        for card in self._before - sick:
            self._watch.forget(card)
        self._dirt.look()
        self._watch.look(gpus, sick, self._dirt.failures)
        for card in sick:
            if self._watch.is_well(card):
                self._change(
                    card, lambda r: r.released(record_.By.NOVA_GPUVIRT)
                )
        now = record_.now()
        for device, signs in self._watch.sick.items():
            if isinstance(device, model.PciAddress) and device not in sick:
                reason = '; '.join(sign.text for sign in signs)
                self._put(device, reason, now)
        self._before = self._in_quarantine()

    def _put(self, card: model.PciAddress, reason: str, now: str) -> None:
        quarantine = record_.Quarantine(reason, now, record_.By.NOVA_GPUVIRT)
        self._change(card, lambda record: record.put(quarantine))

    def _change(
        self,
        card: model.PciAddress,
        how: Callable[[record_.Record], record_.Record],
    ) -> None:
        """Change a card's record; one bad record keeps no other."""
        try:
            self._records.change(card, how)
        except (exception.InvalidRecord, exception.Locked) as error:
            self._tell(error)
        else:
            self._warnings.be_well()

    def _tell(self, error: Exception) -> None:
        self._warnings.warn(
            f'The quarantine of a card is not remembered: {error}'
        )

    def _in_quarantine(self) -> frozenset[model.PciAddress]:
        """List the cards that are in quarantine since they were sick."""
        try:
            known = self._records.read()
        except exception.InvalidRecord as error:
            self._tell(error)
            return self._before
        return frozenset(
            card
            for card, record in known.items()
            if isinstance(record, record_.Record)
            and record.quarantine is not None
            and record.quarantine.by is record_.By.NOVA_GPUVIRT
        )
