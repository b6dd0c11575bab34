"""One PCI function: a card's config space and BARs, on the bus or off it."""

from __future__ import annotations

import pathlib

from lab.host.vfio_user import cards
from lab.host.vfio_user import config_space
from lab.host.vfio_user import memory
from lab.host.vfio_user import protocol


class Function:
    """A card that does not answer while a file exists.

    Then it reads as all ones and takes no write. When it answers again, it is
    as after power-on.

    :param off: the file while which exists it is off the bus
    :param stuck: that while which exists it is so from its next reset on
    """

    def __init__(
        self, card: cards.Card, off: pathlib.Path, stuck: pathlib.Path
    ) -> None:
        self._config = config_space.ConfigSpace(card.identity, card.bars)
        self._sizes = {bar.index: bar.size for bar in card.bars}
        self._sizes[protocol.Region.CONFIG] = config_space.SIZE
        self._memory = {bar.index: memory.Memory() for bar in card.bars}
        self._off = off
        self._stuck = stuck
        self._is_stuck = False
        self._was_off = False

    def size(self, region: int) -> int:
        """Say how many bytes a region has; 0 where there is none."""
        return self._sizes.get(region, 0)

    def read(self, access: protocol.Access) -> bytes:
        """Read from a region."""
        if not self._answers():
            return b'\xff' * access.count
        if access.region == protocol.Region.CONFIG:
            return self._config.read(access.offset, access.count)
        return self._memory[access.region].read(access.offset, access.count)

    def write(self, access: protocol.Access, data: bytes) -> None:
        """Write to a region."""
        if not self._answers():
            return
        if access.region != protocol.Region.CONFIG:
            self._memory[access.region].write(access.offset, data)
        elif self._config.write(access.offset, data):
            self.reset()

    def reset(self) -> None:
        """Do a function level reset."""
        if self._answers():
            self._is_stuck = self._stuck.exists()
            self._power_on()

    def _answers(self) -> bool:
        self._is_stuck = self._is_stuck and self._stuck.exists()
        off = self._is_stuck or self._off.exists()
        if self._was_off and not off:
            self._power_on()
        self._was_off = off
        return not off

    def _power_on(self) -> None:
        self._config.reset()
        for bar in self._memory.values():
            bar.clear()
