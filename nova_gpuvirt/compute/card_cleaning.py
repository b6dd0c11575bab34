"""What is dirty of one card: cleaned in a thread, as long as there is any.

What has to wait is tried again for a minute, with longer and longer pauses,
and then left to who asks next. What could not be cleaned is let be for a
while, also where that could not be remembered.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Set

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import record
from nova_gpuvirt.host import commands

LOG = logging.getLogger(__name__)

# Seconds from the first try to the next, which are doubled, and at most; and
# for how long it is tried.
_PAUSE = 0.1
_LONGEST_PAUSE = 8.0
_LIMIT = 60.0

Clean = Callable[
    [model.PciAddress, record.Dirty, Collection[model.PciAddress]], None
]
"""Cleans what an instance had of a card, beside the cards that are held."""
Holdings = Set[tuple[str, model.PciAddress, model.Slot]]
"""Who holds what of which card, a set card by card, as the database has it."""
Key = tuple[str, str]
"""Who had it, and what, as `Dirty.key` has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Means:
    """What the cleaning of a host's cards needs.

    :ivar holdings: reads who holds what; not under a lock of Nova's
    :ivar freed: tells Nova that something can be had again
    """

    dirt: dirt_.Dirt
    clean: Clean
    holdings: Callable[[], Holdings]
    freed: Callable[[], None]
    clock: Callable[[], float] = time.monotonic


class CardCleaning:
    """The cleaning of one card.

    :param lock: is notified when something has ended
    :ivar is_running: whether it has a thread
    :ivar in_progress: what is being cleaned, or may be in a moment
    """

    def __init__(
        self,
        address: model.PciAddress,
        means: Means,
        lock: threading.Condition,
        stopped: threading.Event,
    ) -> None:
        self._address = address
        self._means = means
        self._lock = lock
        self._stopped = stopped
        self.is_running = False
        self.in_progress: set[Key] = set()
        self._wanted: set[Key] = set()
        # Of those that an operator takes for clean: they had it since.
        self._void: set[Key] = set()
        self._is_woken = False
        self._pause = commands.Pause()
        # Failures that could not be written.
        self._unwritten: set[Key] = set()
        self._warnings = once.Once(LOG)

    def want(
        self, dirty: Collection[record.Dirty], void: Iterable[Key] = ()
    ) -> None:
        """Clean what is dirty, unless it is to be let be for a while.

        :param void: whose word that it is clean does not count
        """
        with self._lock:
            self._void.update(void)
            new = {d.key for d in dirty if not self._is_let_be(d)}
            if not new or self._stopped.is_set():
                return
            self._is_woken |= not new <= self._wanted
            self._wanted |= new
            if self.is_running:
                self._lock.notify_all()
                return
            self.is_running = True
        try:
            threading.Thread(
                target=self._run,
                name=f'gpuvirt-cleaning-{self._address}',
                daemon=True,
            ).start()
        except RuntimeError as error:  # the machine can start no thread
            LOG.warning(
                '%s is cleaned with a later update: %s', self._address, error
            )
            self._end()

    def _is_let_be(self, dirty: record.Dirty) -> bool:
        """Tell whether it failed a moment ago, and nobody has said more."""
        failed = dirty.failed is not None or dirty.key in self._unwritten
        return failed and self._pause.is_on and not self._is_clean(dirty)

    def _is_clean(self, dirty: record.Dirty) -> bool:
        """Tell whether an operator takes for clean what nobody has."""
        return dirty.is_taken_for_clean and dirty.key not in self._void

    def _run(self) -> None:
        try:
            while self._goes_on():
                self._clean_for_a_while()
        except Exception:
            LOG.exception('%s is cleaned with a later update', self._address)
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.is_running = False
            self._wanted.clear()
            self._lock.notify_all()

    def _goes_on(self) -> bool:
        """Tell whether there is more to do; who asks later starts anew."""
        with self._lock:
            if self._wanted and not self._stopped.is_set():
                self._is_woken = False
                return True
            self.is_running = False
            self._lock.notify_all()
            return False

    def _clean_for_a_while(self) -> None:
        """Clean what is wanted, until something else is, or a minute."""
        until = self._means.clock() + _LIMIT
        pause = _PAUSE
        while not self._stopped.is_set():
            waiting = self._clean_once(frozenset(self._wanted))
            if not waiting:
                self._warnings.be_well()
                return
            if self._means.clock() >= until:
                self._leave(waiting)
                return
            with self._lock:
                self._lock.wait_for(self._is_disturbed, pause)
                if self._is_woken:
                    return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_disturbed(self) -> bool:
        return self._is_woken or self._stopped.is_set()

    def _leave(self, waiting: dict[Key, str]) -> None:
        with self._lock:
            self._wanted -= waiting.keys()
        for why in filter(None, waiting.values()):
            self._warnings.warn(why)

    def _clean_once(self, wanted: frozenset[Key]) -> dict[Key, str]:
        """Clean what can be cleaned, and tell what has to wait for what.

        What is dirty is read before who claims it: a claim is saved before
        its slot is dirty. An instance that claims again what is wanted here
        waits from here on.

        :returns: for each, why; nothing where an instance has it still, since
            Nova frees a claim before it deletes it
        """
        with self._lock:
            self.in_progress |= wanted
        try:
            return self._clean_each(wanted)
        finally:
            self._end_progress(wanted)

    def _clean_each(self, wanted: frozenset[Key]) -> dict[Key, str]:
        self._means.dirt.look()
        entries = [
            dirty
            for card, dirty in self._means.dirt.entries()
            if card == self._address and dirty.key in wanted
        ]
        holdings = self._means.holdings() if entries else frozenset()
        owners = {(who, str(slot)) for who, _, slot in holdings}
        waiting = {d.key: '' for d in entries if d.key in owners}
        self._end_progress(waiting)
        others = {at for _, at, _ in holdings} - {self._address}
        for dirty in entries:
            if dirty.key in owners:
                continue
            why = self._clean(dirty, others)
            self._end_progress([dirty.key])
            if why is not None:
                waiting[dirty.key] = why
        with self._lock:
            self._wanted -= wanted - waiting.keys()
        if len(waiting) < len(entries):
            self._tell()
        return waiting

    def _end_progress(self, some: Iterable[Key]) -> None:
        """Let instances have again what is not being cleaned any more."""
        with self._lock:
            self.in_progress.difference_update(some)
            self._lock.notify_all()

    def _clean(
        self, dirty: record.Dirty, held: Collection[model.PciAddress]
    ) -> str | None:
        """Clean one thing, and tell why it has to wait, if so."""
        begin = self._means.clock()
        is_clean = self._is_clean(dirty)
        try:
            if not is_clean:
                self._means.clean(self._address, dirty, held)
            self._means.dirt.cleaned(self._address, dirty)
        except exception.CleanFailed as error:
            self._remember_failure(dirty, error)
            return None
        except exception.GpuvirtError as error:
            return str(error)
        except Exception as error:  # one bad thing never hides another
            LOG.debug('%s: the reason', dirty.slot, exc_info=True)
            return f'{dirty.slot} can not be cleaned: {error!r}'
        self._pause.forget()
        self._unwritten.discard(dirty.key)
        self._void.discard(dirty.key)
        LOG.info(
            '%s is clean after instance %s, %s',
            dirty.slot,
            dirty.instance,
            'as an operator says'
            if is_clean
            else f'in {self._means.clock() - begin:.1f} s',
        )
        return None

    def _remember_failure(
        self, dirty: record.Dirty, error: exception.CleanFailed
    ) -> None:
        self._pause.begin()
        self._unwritten.add(dirty.key)
        # What is said from now on counts.
        self._void.discard(dirty.key)
        LOG.error(
            '%s is not clean after instance %s, and goes to nobody: %s',
            *(dirty.slot, dirty.instance, error),
        )
        why = error.without_remedy.removeprefix(f'{self._address}: ')
        try:
            self._means.dirt.failed(self._address, dirty, why)
        except exception.GpuvirtError as unwritten:
            LOG.error('%s', unwritten)
        else:
            self._unwritten.discard(dirty.key)

    def _tell(self) -> None:
        try:
            self._means.freed()
        except Exception:
            LOG.exception('What was cleaned can be had with a later update')
