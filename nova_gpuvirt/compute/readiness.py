"""Which cards are what they shall be, and so are offered."""

from __future__ import annotations

import dataclasses
import logging
import re

from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.layout import followed
from nova_gpuvirt.layout import looks as looks_
from nova_gpuvirt.layout import wish as wish_

LOG = logging.getLogger(__name__)

_PROCESS = re.compile(r'process \d+')


class Readiness:
    """How far the cards of a host are, and what was logged of it."""

    def __init__(self, layout: followed.Followed, looks: looks_.Looks) -> None:
        self._layout = layout
        self._looks = looks
        # Cards that are ready, by what they are.
        self._ready: dict[model.Device, wish_.Wish] = {}
        # Why cards are not what they shall be, and so not offered.
        self._pending: dict[model.Device, str] = {}
        # What was logged of each card since it was ready last.
        self._warnings: dict[model.Device, once.Once] = {}

    def wish(self, gpu: model.Gpu) -> wish_.Wish:
        """Tell what is wished of a card at this moment.

        Whether it goes whole is a matter of what it was made.
        """
        wish = self._layout.last.wish(gpu)
        kept = self._ready.get(gpu.address, wish)
        if wish_.WHOLE_KINDS in (wish.kinds, kept.kinds):
            wish = dataclasses.replace(wish, kinds=kept.kinds)
        return wish

    def why_not(self, gpu: model.Gpu) -> str | None:
        """Tell why no further guest may have a card, None for a ready one.

        :param gpu: with what is offered of it now
        """
        if self._layout.invalid is not None:
            return self._layout.invalid
        self._see_mig(gpu)
        return self._pending.get(gpu.address)

    def _see_mig(self, gpu: model.Gpu) -> None:
        """See that a card has left its MIG mode since it was looked at."""
        ready = self._ready.get(gpu.address)
        if ready is None or ready.mig is None:
            return
        look = self._looks.last(gpu.address, ready)
        if look is None or look.impossible:
            return
        for profile in gpu.profiles:
            is_of_mig = profiles.gpu_instance(profile.slug) is not None
            if profile.available and is_of_mig is not ready.mig:
                self._looks.forget(gpu.address, ready)
                mode = 'on' if is_of_mig else 'off'
                self.wait(gpu.address, f'MIG mode is {mode} by now')
                return

    def be_made(self, address: model.Device) -> None:
        """Offer nothing more of a card while it is made what it shall be."""
        self._pending.setdefault(address, 'it is being made what it shall be')

    def be_ready(
        self, address: model.Device, wish: wish_.Wish | None = None
    ) -> None:
        """Offer a card.

        :param wish: what it is, where something was wished
        """
        self._pending.pop(address, None)
        self._ready.pop(address, None)
        if wish is not None:
            self._ready[address] = wish

    def wait(self, address: model.Device, why: str) -> None:
        """Offer nothing more of a card until it is what it shall be."""
        self._ready.pop(address, None)
        self._pending[address] = f'it is not yet what the layout says: {why}'
        self.say(address, self._pending[address])

    def say(self, address: model.Device, what: str) -> None:
        """Log something of a card, once until it is done.

        The same of another process is no news.
        """
        warnings = self._warnings.setdefault(address, once.Once(LOG))
        warnings.warn(f'{address}: {what}', _PROCESS.sub('process', what))

    def be_done(self, address: model.Device) -> None:
        """Let what goes wrong with a card later be told anew."""
        self._warnings.pop(address, None)

    def keep_only(self, cards: set[model.Device]) -> None:
        """Forget the cards that are gone."""
        for gone in self._pending.keys() - cards:
            self.be_ready(gone)
