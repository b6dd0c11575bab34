"""Whether Nova, Placement, libvirt, the hardware and our records agree.

Each periodic update looks, where no lock of Nova's is held. What two looks in
a row find is told, once, and put right where that is safe; it is told again
when it has ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import AbstractContextManager

from nova_gpuvirt import exception
from nova_gpuvirt import once
from nova_gpuvirt.audit import compare
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.compute import timed
from nova_gpuvirt.compute.audits import repairs as repairs_

LOG = logging.getLogger(__name__)

# How long one update may repair, in seconds; the rest comes with the next.
_REPAIRING = 20.0


class Auditing:
    """The comparison of a host's sides, and what was told of it.

    :param read: reads all sides, as far as they answer
    :param undisturbed: keeps other programs from having the GPUs meanwhile
    """

    def __init__(
        self,
        read: Callable[[], sides_.Sides],
        undisturbed: Callable[[], AbstractContextManager[None]],
        repairs: repairs_.Repairs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.read = read
        self._clock = clock
        self._undisturbed = undisturbed
        self._repairs = repairs
        self._seen: frozenset[tuple[str, str, str]] = frozenset()
        # What was logged and has not ended, and why repairs fail.
        self._told: dict[tuple[str, str, str], str] = {}
        self._unread = once.Once(LOG)

    def look(self) -> disagreement.Comparison:
        """Compare all sides as they are at this moment.

        One look may come in the midst of a change that Nova does not show
        with its servers: `update` wants two in a row.
        """
        return compare.compare(self.read())

    @timed.step
    def update(self) -> None:
        """Look, tell what is new, and put right what is safe.

        What another program makes of the GPUs, which has them for itself just
        now, is not looked at.
        """
        try:
            self._wait_for_others()
        except exception.Locked as error:
            LOG.debug('No side is compared: %s', error)
            self._seen = frozenset()
            return
        sides = self.read()
        found = compare.compare(sides)
        again = self._again(found)
        for side, why in found.not_compared.items():
            self._unread.warn(f'{side} is not compared: {why}', side)
        if not found.not_compared:
            self._unread.be_well()
            self._tell_ended(found)
        to_repair = [*filter(self._is_to_repair, again)]
        for each in again:
            if each not in to_repair:
                self._tell(each, each.remedy)
        until = self._clock() + _REPAIRING
        for each in to_repair:
            # Who does not answer once is asked again with a later update.
            if self._clock() >= until or not self._repair(each, sides):
                break

    def look_twice(
        self, pause: float, sleep: Callable[[float], None] = time.sleep
    ) -> disagreement.Comparison:
        """Look, and look again at what is found.

        :param pause: seconds between the two looks
        :raises Locked: while another program has the GPUs for itself
        """
        self._wait_for_others()
        found = self.look()
        if found.disagreements:
            sleep(pause)
            found = self.look().also_in(found)
        self._again(found)
        return found

    def _wait_for_others(self) -> None:
        """See that no other program has the GPUs for itself.

        The lock is not held then: Nova and Placement may be slow.

        :raises Locked: when one has
        """
        with self._undisturbed():
            pass

    def fix(self) -> Iterator[tuple[disagreement.Disagreement, str]]:
        """Put right what is safe of what the last two looks have found too.

        :returns: of each what was done
        """
        sides = self.read()
        for each in self._again(compare.compare(sides)):
            if self._repairs.can(each):
                try:
                    done = self._repairs.repair(each, sides)
                except Exception as error:
                    yield each, f'not done: {error}'
                else:
                    yield each, done or 'nothing done: it is not so any more'

    def _again(
        self, found: disagreement.Comparison
    ) -> Collection[disagreement.Disagreement]:
        """Choose what the look before has found too."""
        before = self._seen
        self._seen = frozenset(each.key for each in found.disagreements)
        return [each for each in found.disagreements if each.key in before]

    def _is_to_repair(self, found: disagreement.Disagreement) -> bool:
        is_ours = found.by is disagreement.By.NOVA_COMPUTE
        return is_ours and self._repairs.can(found)

    def _repair(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> bool:
        """Put one right, and tell whether who is asked for it answers."""
        try:
            done = self._repairs.repair(found, sides)
        except exception.GpuvirtError as error:
            self._tell(found, f'not put right: {error}')
        except Exception as error:
            self._tell(found, f'not put right: {error}')
            return False
        else:
            if done is not None:
                LOG.warning('Put right: %s: %s', found, done)
        return True

    def _tell(self, found: disagreement.Disagreement, what: str) -> None:
        text = f'{found}; {what}'
        if found.key not in self._told:
            LOG.warning('The sides of this host disagree: %s', text)
        self._told[found.key] = text

    def _tell_ended(self, found: disagreement.Comparison) -> None:
        for key in self._told.keys() - self._seen:
            LOG.info('They agree again: %s', self._told.pop(key))
