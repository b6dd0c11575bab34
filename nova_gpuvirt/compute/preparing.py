"""Make this host's cards what its layout says, as far as nobody has them.

It is done before the first report of a nova-compute, so that no server gets
what is about to change, and looked at in each periodic update. A card leaves
the inventory before its first step, and comes back when the last is done; one
whose step failed stays away, with the reason.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import api_forwarding
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.compute import readiness
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import followed
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import looks
from nova_gpuvirt.layout import reading
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import users
from nova_gpuvirt.layout import wish as wish_

LOG = logging.getLogger(__name__)

Held = tuple[Mapping[model.Device, Collection[model.Claim]], Collection[str]]
"""What servers have claimed, by card, and their UUIDs."""


class _Card(NamedTuple):
    """A card, what was claimed of it, and the UUIDs of all servers here."""

    gpu: model.Gpu
    claims: Collection[model.Claim]
    servers: Collection[str]


class Preparing:
    """The layout of this host, and how far its cards are.

    What servers have claimed of a card lives in what it was made to be: that
    is made again for them, also when the file says otherwise by then. The
    file's turn is when nobody has anything of the card.

    :param layout: the file, which is read again when it changes
    :param made: what the cards were made to be
    :param held: tells what servers have claimed
    :param withdraw: takes a card from who would claim it, and tells what was
        claimed of it at that moment
    :param undisturbed: keeps the host's GPUs from other programs meanwhile
    :ivar readiness: how far the cards are, for who offers them
    """

    def __init__(
        self,
        machine: machine_.Machine,
        layout: followed.Followed,
        made: in_force.InForce,
        held: Callable[[], Held],
        withdraw: Callable[[model.Device], Collection[model.Claim]],
        undisturbed: Callable[[], AbstractContextManager[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._layout = layout
        self._made = made
        made.begin()
        self._held = held
        self._withdraw = withdraw
        self._undisturbed = undisturbed
        self._looks = looks.Looks(machine, clock)
        self.readiness = readiness.Readiness(layout, self._looks)
        # Of the entries of the layout that mean no card.
        self._unused: tuple[document.Entry, ...] = ()

    def look(self) -> None:
        """Take the steps that can be taken now.

        What goes wrong with a card is logged, and no other card's.
        """
        layout = self._layout.read()
        self._made.look()
        if not layout.entries and self._made.is_empty:
            self.readiness.keep_only(set())
            self._unused = ()
            return
        gpus = discovery.of(self._machine).gpus
        self._tell_unused(layout.unused(gpus))
        self.readiness.keep_only({gpu.address for gpu in gpus})
        undone = []
        for gpu in gpus:
            wish = layout.wish(gpu)
            try:
                if self._is_done(gpu, wish):
                    self.readiness.be_done(gpu.address)
                else:
                    undone.append((gpu, wish))
            except Exception as error:
                self.readiness.wait(gpu.address, str(error))
        if undone:
            self._prepare_all(undone)

    def _is_done(self, gpu: model.Gpu, wish: wish_.Wish) -> bool:
        """Tell whether a card is what the file says."""
        if not survey.can_be_changed(gpu) or wish.left_alone:
            self.readiness.be_ready(gpu.address)
            return True
        made = self._made.of(gpu)
        if wish.changes_nothing:
            if made is not None and not made.changes_nothing:
                return False
            self.readiness.be_ready(gpu.address, wish)
            return True
        look = self._look_at(gpu, wish)
        # What servers have lives in what was made, which may be gone by now.
        if made is not None and not look.is_for(wish, made):
            return False
        if look.is_done:
            self._be_ready(gpu, wish, look)
        return look.is_done

    def _be_ready(
        self, gpu: model.Gpu, wish: wish_.Wish, look: looks.Look
    ) -> None:
        """Offer a card that is as far as it can be, and remember what it is.

        What can't be was not made.
        """
        if look.possible is not None:
            self._made.put(gpu, look.possible)
        self.readiness.be_ready(gpu.address, wish)

    def _look_at(self, gpu: model.Gpu, wish: wish_.Wish) -> looks.Look:
        look = self._looks.at(gpu, wish)
        for why in look.impossible:
            self.readiness.say(
                gpu.address, f'it can not be what the layout says: {why}'
            )
        return look

    def _prepare_all(
        self, undone: Iterable[tuple[model.Gpu, wish_.Wish]]
    ) -> None:
        try:
            claims, servers = self._held()
        except Exception as error:
            for gpu, _ in undone:
                self.readiness.wait(gpu.address, str(error))
            return
        for gpu, wish in undone:
            try:
                card = _Card(gpu, claims.get(gpu.address, ()), servers)
                self._prepare(card, wish)
            except Exception as error:
                self.readiness.wait(gpu.address, str(error))

    def _prepare(self, card: _Card, wish: wish_.Wish) -> None:
        """Make a card what the file says, or what its servers have."""
        if not card.claims or self._serves(card, wish):
            self._make(card, wish)
            return
        made = self._made.of(card.gpu) or wish_.NOTHING
        self._made.put(card.gpu, made)
        if self._make(card, made):
            self._let_be(card, wish)

    def _serves(self, card: _Card, wish: wish_.Wish) -> bool:
        """Tell whether what was claimed lives in what is wished.

        Where it is not known what the card was, parts do if it has none:
        nothing is there that could be lost.
        """
        made = self._made.of(card.gpu)
        if made is not None:
            return made.modes == wish.modes or (
                not wish.changes_nothing
                and self._look_at(card.gpu, wish).is_for(wish, made)
            )
        if not all(map(_is_part, card.claims)):
            return False
        return (
            not wish.changes_nothing and self._look_at(card.gpu, wish).is_bare
        )

    def _make(self, card: _Card, wish: wish_.Wish) -> bool:
        """Make a card what is wished of it, and tell whether it is that."""
        gpu, address = card.gpu, card.gpu.address
        if wish.changes_nothing:
            self._made.put(gpu, wish)
            self.readiness.be_ready(address, wish)
            return True
        seen = self._look_at(gpu, wish)
        if seen.steps:
            user = self._user(card)
            if user is not None:
                self.readiness.wait(address, _waiting(user, seen.steps))
                return False
            if not self._take(card, wish):
                return False
            seen = self._look_at(self._now(gpu), wish)
        if seen.later is not None:
            self.readiness.wait(address, seen.later)
            return False
        self._be_ready(gpu, wish, seen)
        return True

    def _take(self, card: _Card, wish: wish_.Wish) -> bool:
        """Take the steps of a card, and tell whether all were."""
        address = card.gpu.address
        assert isinstance(address, model.PciAddress)
        rootly = self._machine.sysfs.rootly
        if rootly is None:
            raise exception.StepFailed(
                str(address),
                wanted='to make it what the layout says',
                found='a host that is only looked at',
                remedy='leave [gpuvirt]sysfs_root out',
            )
        self.readiness.be_made(address)

        def withdraw_and_ask(of: model.PciAddress) -> str | None:
            # Of this moment: who builds a server here shares the lock.
            now = self._withdraw(of)
            new = {*now} - {*card.claims}
            return _claimed(new) if new else self._user(card)

        doer = executor.Executor(
            rootly,
            functools.partial(reading.read, self._machine),
            withdraw_and_ask,
        )
        self._looks.forget(address, wish)
        with self._undisturbed():
            outcome = doer.apply(address, wish)
        if outcome.failed is not None:
            self.readiness.wait(address, outcome.failed)
        elif outcome.user is not None:
            self.readiness.wait(
                address, _waiting(outcome.user, outcome.waiting)
            )
        return outcome.failed is None and outcome.user is None

    def _user(self, card: _Card) -> str | None:
        assert isinstance(card.gpu.address, model.PciAddress)
        return users.of(
            self._machine,
            card.gpu.address,
            card.servers,
            with_sessions=any(map(_is_session, card.claims)),
        )

    def _now(self, gpu: model.Gpu) -> model.Gpu:
        """Look at a card again."""
        found = discovery.of(self._machine, {gpu.address}).gpus
        return next((g for g in found if g.address == gpu.address), gpu)

    def _let_be(self, card: _Card, wish: wish_.Wish) -> None:
        """Let a card be as it is while servers have it."""
        steps = (
            () if wish.changes_nothing else self._look_at(card.gpu, wish).steps
        )
        self.readiness.say(
            card.gpu.address,
            'it stays as it is for now: '
            + _waiting(_claimed(card.claims), steps),
        )

    def _tell_unused(self, entries: tuple[document.Entry, ...]) -> None:
        if entries != self._unused:
            self._unused = entries
            for entry in entries:
                LOG.warning(
                    '%s: see the addresses and models in `nova-gpuvirt '
                    'discover`',
                    entry.selects_none,
                )


def _is_session(claim: model.Claim) -> bool:
    slot = claim.slot
    return slot is not None and slot.kind == api_forwarding.ApiForwarding.kind


def _is_part(claim: model.Claim) -> bool:
    """Tell whether it is something that a layout makes of a card."""
    return not (exclusion.takes_all(claim.slot) or _is_session(claim))


def _claimed(claims: Iterable[model.Claim]) -> str:
    first = min(claims, key=lambda c: (not c.resource_class, c.identifier))
    if not first.resource_class:
        return f'{first.shown} is not clean yet after its last server'
    return f'a server has claimed {first.shown}'


def _waiting(user: str, steps: Iterable[object]) -> str:
    return (
        f'{user}; when it is gone: {", ".join(map(str, steps)) or "nothing"}'
    )
