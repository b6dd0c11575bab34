"""Which of NVIDIA's cards NVLinks join without a switch, as nvidia-smi tells.

``nvidia-smi nvlink -R`` prints for each link of a card what is on its other
side, ``Link 0: Remote Device 00000000:D5:00.0: Link 0``. It does while
NVIDIA's driver has the cards, so what it said is remembered: a bridge is
plugged where no power is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import bridges
from nova_gpuvirt.host import commands

LOG = logging.getLogger(__name__)

_REMOTE = re.compile(r'Remote Device ([0-9a-f:]+\.[0-7])', re.I)


class NvLinks:
    """The command, and what it said of each card."""

    def __init__(self, run: commands.Run) -> None:
        self._run = run
        self._peers: dict[model.PciAddress, set[model.PciAddress]] = {}
        # Which cards of its model the driver had whenever a card was asked.
        self._asked: dict[model.PciAddress, bridges.Group] = {}
        self._models: dict[int, bridges.Group] = {}
        # Those that the driver was seen to have, and those asked about then,
        # with an answer or without.
        self._seen: set[model.PciAddress] = set()
        self._tried: set[model.PciAddress] = set()

    def learn(
        self, device: int, drivers: Mapping[model.PciAddress, str | None]
    ) -> None:
        """Ask about the cards of one model, if the driver has others by now.

        :param device: the model's id
        :param drivers: of all cards of the model
        """
        self._models[device] = frozenset(drivers)
        had = frozenset(c for c, name in drivers.items() if name == 'nvidia')
        self._tried |= had
        for card in sorted(had):
            # Of one that left, the others have told already.
            told = self._asked.get(card)
            if len(drivers) > 1 and (told is None or had - told):
                self._ask(card, had)

    def saw(self, card: model.PciAddress) -> None:
        """Take note that the driver has a card, which can't be asked now.

        A guest may have had it for as long as nova-compute ran.
        """
        self._seen.add(card)

    def _ask(self, card: model.PciAddress, had: bridges.Group) -> None:
        try:
            text = self._run(('nvidia-smi', 'nvlink', '-R', '-i', str(card)))
        except commands.CommandFailed as error:
            LOG.debug('%s: its NVLinks are not known: %s', card, error)
            return
        self._asked[card] = had | self._asked.get(card, frozenset())
        for peer in parse(text):
            self._peers.setdefault(card, set()).add(peer)
            self._peers.setdefault(peer, set()).add(card)

    def view(self) -> bridges.Bridges:
        """Tell what was learned."""
        groups: dict[model.PciAddress, bridges.Group] = {}
        unknown: set[model.PciAddress] = set()
        unasked: set[model.PciAddress] = set()
        for cards in self._models.values():
            found = {
                c: g for c in cards if len(g := self._group(c, cards)) > 1
            }
            groups |= found
            if found:
                unknown |= cards - found.keys() - self._asked.keys()
            if len(cards) > 1:
                unasked |= (cards & self._seen) - self._tried - found.keys()
        return bridges.Bridges(groups, frozenset(unknown), frozenset(unasked))

    def _group(
        self, card: model.PciAddress, cards: bridges.Group
    ) -> bridges.Group:
        """Find the cards that can be reached, over cards of the model alone.

        What is on the other side may be no card: an NVSwitch.
        """
        found = {card}
        ways = [card]
        while ways:
            more = self._peers.get(ways.pop(), set()) & cards - found
            found |= more
            ways.extend(more)
        return frozenset(found)


def parse(text: str) -> frozenset[model.PciAddress]:
    """Read what the links of a card lead to; other lines say nothing."""
    found = set()
    for match in _REMOTE.finditer(text):
        try:
            found.add(model.PciAddress.parse(match[1]))
        except ValueError:
            continue
    return frozenset(found)
