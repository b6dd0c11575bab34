"""What servers had and is dirty: cleaned beside the requests, card by card.

A reset takes seconds, and a site's hook minutes. So each card that has
something to clean gets a thread for as long as that takes; where Nova runs in
eventlet it is a green one. It begins with the report in which nobody claims
the slot any more: under the lock under which Nova has freed it. What has to
wait is tried again for a minute, and from then on with each update, and so is
what a killed nova-compute leaves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Set

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import record
from nova_gpuvirt.host import commands

LOG = logging.getLogger(__name__)

# Seconds from the first try to the next, which are doubled, and at most; for
# how long it is tried, and for the last to end.
_PAUSE = 0.1
_LONGEST_PAUSE = 8.0
_LIMIT = 60.0
_END = 10.0

Clean = Callable[
    [model.PciAddress, record.Dirty, Collection[model.PciAddress]], None
]
"""Cleans what an instance had of a card, beside the cards that are held."""
Holdings = Set[tuple[str, model.PciAddress, model.Slot]]
"""Who holds what of which card, a set card by card, as the database has it."""


class _Card:
    """What is known of a card that has something to clean.

    :ivar is_running: whether it has a thread
    :ivar again: whether something was freed meanwhile
    :ivar pause: after something could not be cleaned
    """

    def __init__(self) -> None:
        self.is_running = False
        self.again = False
        self.pause = commands.Pause()
        self.warnings = once.Once(LOG)


class LateCleaning:
    """The cleaning of this host's cards, and who does it.

    :param clean: cleans once
    :param holdings: reads who holds what; not under a lock of Nova's
    :param freed: tells Nova that something can be had again
    :param devices_of: tells which devices the guest of an instance has
    """

    def __init__(
        self,
        dirt: dirt_.Dirt,
        clean: Clean,
        holdings: Callable[[], Holdings],
        freed: Callable[[], None],
        devices_of: Callable[[str], Collection[object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dirt = dirt
        self._clean = clean
        self._holdings = holdings
        self._freed = freed
        self._devices_of = devices_of
        self._clock = clock
        self._lock = threading.Condition()
        self._cards: dict[model.PciAddress, _Card] = defaultdict(_Card)
        # What is being cleaned: slots, and the instances that had them.
        self._cleaning: set[tuple[str, str]] = set()
        self._stopped = threading.Event()

    def look(self, claimed: Collection[model.Slot]) -> None:
        """Begin to clean what nobody claims any more.

        It takes no time, and so may be called under Nova's lock.

        :param claimed: every slot of this host that is claimed
        """
        places = {part.place for slot in claimed for part in slot.parts}
        for card, dirty in self._unclaimed(places):
            with self._lock:
                self._begin(card, dirty)

    def remember(self, claimed: Collection[model.Slot]) -> None:
        """Remember who has what, where that is not known.

        A server may be older than what remembers it. One that has claimed
        something and has no guest with it yet is not: it is remembered when
        it gets that, with what its functions were before.
        """
        known = {slot.place for slot in self._dirt.all_slots()}
        if all(
            part.place in known or not self._dirt.ways.is_remembered(part.kind)
            for slot in claimed
            for part in slot.parts
        ):
            return
        for instance, card, slot in self._holdings():
            if slot.place in known or not self._has(instance, slot):
                continue
            try:
                self._dirt.mark(card, slot, instance)
            except exception.GpuvirtError as error:
                LOG.debug('%s is not marked: %s', slot, error)

    def _has(self, instance: str, slot: model.Slot) -> bool:
        """Tell whether the guest of an instance has what that claims.

        What is made for a guest is not read before, and its guest may have
        it by another name.
        """
        return self._dirt.ways.has_hook(slot) or (
            slot.device in self._devices_of(instance)
        )

    def make_way(self, instance: str, claims: Collection[model.Claim]) -> None:
        """Let an instance have what it claims, as far as that is clean.

        What it had before and is being cleaned is waited for. What another
        had is cleaned now: no report tells whose a claim is.

        :param instance: its UUID
        :raises PrepareFailed: when that does not end
        """
        parts = [
            part
            for claim in claims
            for part in (claim.slot.parts if claim.slot else ())
        ]
        places = {part.place for part in parts}
        for card, dirty in self._dirt.entries():
            slot = model.Claim('', dirty.slot).slot
            if dirty.instance != instance and slot and slot.place in places:
                with self._lock:
                    self._begin(card, dirty)
        wanted = {(instance, str(part)) for part in parts}
        with self._lock:
            if not self._lock.wait_for(
                lambda: self._cleaning.isdisjoint(wanted), _LIMIT
            ):
                raise exception.PrepareFailed(
                    ', '.join(slot for _, slot in wanted & self._cleaning),
                    wanted=f'it for instance {instance}',
                    found='that it is still cleaned after the same instance '
                    'had it before',
                    remedy='see the log of nova-compute, and try again',
                )

    def stop(self) -> None:
        """End for good; what is dirty is found when nova-compute starts."""
        self._stopped.set()
        with self._lock:
            self._lock.wait_for(
                lambda: not any(c.is_running for c in self._cards.values()),
                _END,
            )

    def _unclaimed(
        self, places: Collection[object]
    ) -> Iterator[tuple[model.PciAddress, record.Dirty]]:
        for card, dirty in self._dirt.entries():
            slot = model.Claim('', dirty.slot).slot
            if slot is None or slot.place not in places:
                yield card, dirty

    def _begin(self, address: model.PciAddress, dirty: record.Dirty) -> None:
        card = self._cards[address]
        if card.is_running:
            card.again = True
        elif not self._stopped.is_set() and (
            dirty.failed is None or not card.pause.is_on
        ):
            card.is_running = True
            threading.Thread(
                target=self._run,
                args=(address, card),
                name=f'gpuvirt-cleaning-{address}',
                daemon=True,
            ).start()

    def _run(self, address: model.PciAddress, card: _Card) -> None:
        try:
            while not self._stopped.is_set():
                card.again = False
                self._clean_for_a_while(address, card)
                with self._lock:
                    if not card.again:
                        break
        except Exception:
            LOG.exception('%s is cleaned with a later update', address)
        finally:
            with self._lock:
                card.is_running = False
                self._lock.notify_all()

    def _clean_for_a_while(
        self, address: model.PciAddress, card: _Card
    ) -> None:
        until = self._clock() + _LIMIT
        pause = _PAUSE
        while True:
            waiting = self._clean_once(address, card)
            if not waiting:
                card.warnings.be_well()
                return
            if self._clock() >= until:
                for why in filter(None, waiting):
                    card.warnings.warn(why)
                return
            if self._stopped.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _clean_once(self, address: model.PciAddress, card: _Card) -> list[str]:
        """Clean what can be cleaned of a card, and tell what waits.

        What is dirty is read before who claims it: a claim is saved before
        its slot is dirty.

        :returns: for each, why; nothing where an instance has it still
        """
        self._dirt.look()
        entries = [d for a, d in self._dirt.entries() if a == address]
        waiting = []
        freed = False
        for dirty in entries:
            if dirty.failed is not None and card.pause.is_on:
                continue
            try:
                begin = self._clock()
                if not self._clean_unclaimed(address, dirty):
                    # Nova frees a claim before it deletes it.
                    waiting.append('')
                    continue
            except exception.CleanFailed as error:
                card.pause.begin()
                self._remember_failure(address, dirty, error)
                freed = True
            except exception.GpuvirtError as error:
                waiting.append(str(error))
            else:
                freed = True
                card.pause.forget()
                LOG.info(
                    '%s is clean after instance %s, in %.1f s',
                    *(dirty.slot, dirty.instance, self._clock() - begin),
                )
        if freed:
            self._tell()
        return waiting

    def _clean_unclaimed(
        self, address: model.PciAddress, dirty: record.Dirty
    ) -> bool:
        """Clean what its instance does not claim; tell if that was so.

        An instance that claims it again waits in `make_way` from here on.
        """
        mine = (dirty.instance, dirty.slot)
        with self._lock:
            self._cleaning.add(mine)
        try:
            holdings = self._holdings()
            if mine in {(who, str(slot)) for who, _, slot in holdings}:
                return False
            others = {at for who, at, _ in holdings if who != dirty.instance}
            self._clean(address, dirty, others - {address})
            self._dirt.cleaned(address, dirty)
            return True
        finally:
            with self._lock:
                self._cleaning.discard(mine)
                self._lock.notify_all()

    def _remember_failure(
        self,
        address: model.PciAddress,
        dirty: record.Dirty,
        error: exception.CleanFailed,
    ) -> None:
        LOG.error(
            '%s is not clean after instance %s, and goes to nobody: %s',
            *(dirty.slot, dirty.instance, error),
        )
        try:
            why = error.without_remedy.removeprefix(f'{address}: ')
            self._dirt.failed(address, dirty, why)
        except exception.GpuvirtError as unwritten:
            LOG.error('%s', unwritten)

    def _tell(self) -> None:
        try:
            self._freed()
        except Exception:
            LOG.exception('What was cleaned can be had with a later update')
