"""What servers had and is dirty: cleaned beside the requests, card by card.

A reset takes seconds, and a site's hook minutes. So each card that has
something to clean gets a thread for as long as that takes; where Nova runs in
eventlet it is a green one. It begins with the report in which nobody claims
the slot any more: under the lock under which Nova has freed it. What a killed
nova-compute leaves is found in its next start.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute import card_cleaning
from nova_gpuvirt.health import record

LOG = logging.getLogger(__name__)

# Seconds that an instance waits for what is cleaned after itself, and that
# the last cleaning has to end.
_PATIENCE = 60.0
_END = 10.0


class LateCleaning:
    """The cleaning of this host's cards, and who does it.

    :param devices_of: tells which devices the guest of an instance has
    """

    def __init__(
        self,
        means: card_cleaning.Means,
        devices_of: Callable[[str], Collection[object]],
    ) -> None:
        self._means = means
        self._dirt = means.dirt
        self._devices_of = devices_of
        self._lock = threading.Condition()
        self._stopped = threading.Event()
        self._cards: dict[model.PciAddress, card_cleaning.CardCleaning] = {}
        # What was claimed at the last look.
        self._claimed: frozenset[object] = frozenset()

    def look(self, claimed: Collection[model.Slot]) -> None:
        """Begin to clean what nobody claims any more.

        It takes no time, and so may be called under Nova's lock. What an
        operator takes for clean counts only where no server had it since.

        :param claimed: every slot of this host that is claimed
        """
        places = frozenset(p.place for slot in claimed for p in slot.parts)
        unclaimed = defaultdict(list)
        void = defaultdict(list)
        for card, dirty, place in self._places():
            if place not in places:
                unclaimed[card].append(dirty)
            if dirty.is_taken_for_clean and (place in places | self._claimed):
                void[card].append(dirty.key)
        self._claimed = places
        for card, some in unclaimed.items():
            self._of(card).want(some, void[card])

    def remember(self, claimed: Collection[model.Slot] | None = None) -> None:
        """Remember which guests have what, where that is not known.

        A server may be older than what remembers it. One that has claimed
        something and has no guest with it yet is not: it is remembered when
        it gets that, with what its functions were before.

        :param claimed: every slot that is claimed, where that is known
        """
        self._dirt.look()
        self._see_who_has_it_still()
        known = {slot.place for slot in self._dirt.all_slots()}
        if claimed is not None and all(
            part.place in known or not self._dirt.ways.is_remembered(part.kind)
            for slot in claimed
            for part in slot.parts
        ):
            return
        for instance, card, slot in self._means.holdings():
            if slot.place in known or not self._has(instance, slot):
                continue
            try:
                self._dirt.mark(card, slot, instance)
            except exception.GpuvirtError as error:
                LOG.debug('%s is not marked: %s', slot, error)

    def _see_who_has_it_still(self) -> None:
        """Take nothing for clean that a server had when that was said."""
        said = [e for e in self._dirt.entries() if e[1].is_taken_for_clean]
        if not said:
            return
        owners = {(who, str(slot)) for who, _, slot in self._means.holdings()}
        for card, dirty in said:
            if dirty.key in owners:
                try:
                    self._dirt.had_since(card, dirty)
                except exception.GpuvirtError as error:
                    LOG.debug('%s: %s', dirty.slot, error)

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
        for card, dirty, place in self._places():
            if dirty.instance != instance and place in places:
                self._of(card).want([dirty])
        wanted = {(instance, str(part)) for part in parts}
        with self._lock:
            if self._lock.wait_for(
                lambda: wanted.isdisjoint(self._in_progress()), _PATIENCE
            ):
                return
            still = ', '.join(s for _, s in wanted & self._in_progress())
        raise exception.PrepareFailed(
            still,
            wanted=f'it for instance {instance}',
            found='that it is still cleaned after the same instance had it '
            'before',
            remedy='see the log of nova-compute, and try again',
        )

    def stop(self) -> None:
        """End for good; what is dirty is found when nova-compute starts."""
        self._stopped.set()
        with self._lock:
            self._lock.notify_all()
            self._lock.wait_for(
                lambda: not any(c.is_running for c in self._cards.values()),
                _END,
            )

    def _of(self, card: model.PciAddress) -> card_cleaning.CardCleaning:
        with self._lock:
            if card not in self._cards:
                self._cards[card] = card_cleaning.CardCleaning(
                    card, self._means, self._lock, self._stopped
                )
            return self._cards[card]

    def _in_progress(self) -> set[card_cleaning.Key]:
        return {m for card in self._cards.values() for m in card.in_progress}

    def _places(
        self,
    ) -> Iterator[tuple[model.PciAddress, record.Dirty, object]]:
        """List what is dirty, with its card and its place, None for any."""
        for card, dirty in self._dirt.entries():
            slot = dirty.claim.slot
            yield card, dirty, slot and slot.place
