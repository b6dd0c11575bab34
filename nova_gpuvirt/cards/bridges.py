"""Cards that NVLinks join without a switch: to one guest, or to none. Pure.

NVIDIA's guide to vGPU (chapter 3): all GPUs that NVLinks join directly go to
the same guest when they are passed through.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import nearness

Group = frozenset[model.PciAddress]

_UNASKED = (
    'whether NVLinks join it with others is asked with the next periodic '
    'update'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Bridges:
    """What is known of NVLinks between the cards of a host.

    `groups` are the cards that they join, by each of them. `unknown` are the
    cards of a model with such groups that nothing was told of, and `unasked`
    those that are asked about with the next update.
    """

    groups: Mapping[model.PciAddress, Group] = dataclasses.field(
        default_factory=dict
    )
    unknown: frozenset[model.PciAddress] = frozenset()
    unasked: frozenset[model.PciAddress] = frozenset()

    def why_not_alone(self, card: model.Device) -> str | None:
        """Tell why a card can't be given without others, None if it can."""
        if card in self.unknown:
            return (
                'others of its model have NVLink bridges, and its own are not '
                "known: nvidia-smi tells them while NVIDIA's driver has it"
            )
        if card in self.unasked:
            return _UNASKED
        others = sorted(g for g in self._group(card) if g != card)
        if not others:
            return None
        return (
            f'NVLinks join it with {", ".join(map(str, others))}, and NVIDIA '
            'lets such cards go to one guest only: ask for '
            f'{model.SET_CLASS}{len(others) + 1}'
        )

    def why_in_no_set(self, cards: Group) -> dict[model.PciAddress, str]:
        """Tell which of some cards are in no set yet, and why."""
        return dict.fromkeys(self.unasked & cards, _UNASKED)

    def joins(self, cards: Collection[model.Device]) -> bool:
        """Tell whether it joins any of some cards."""
        return any(self._group(card) for card in cards)

    def sets(
        self, functions: Collection[model.PciFunction]
    ) -> tuple[model.CardSet, ...]:
        """List the sets of some cards: groups, and those near to each other.

        A group of which not every card is among them makes none.
        """
        here = {f.address: f for f in functions}
        by_size: dict[int, set[Group]] = defaultdict(set)
        for card in here:
            group = self._group(card)
            if group and group <= here.keys():
                by_size[len(group)].add(group)
        return tuple(
            found
            for _, groups in sorted(by_size.items())
            for found in nearness.near(
                tuple(
                    here[card] for group in groups for card in sorted(group)
                ),
                frozenset(groups),
            )
        )

    def reasons(
        self, cards: Collection[model.PciAddress]
    ) -> Iterator[tuple[model.PciAddress, str]]:
        """Say why cards are in no set, of those that are in none."""
        for card in cards:
            group = self._group(card)
            if card in self.unknown:
                yield (
                    card,
                    'its NVLinks are not known: nvidia-smi tells them while '
                    "NVIDIA's driver has it",
                )
            elif not group:
                yield card, 'no NVLink joins it with another card'
            elif missing := group.difference(cards):
                names = ', '.join(map(str, sorted(missing)))
                yield card, f'NVLinks join it with {names}, which is in no set'

    def _group(self, card: model.Device) -> Group:
        if not isinstance(card, model.PciAddress):
            return frozenset()
        return self.groups.get(card, frozenset())


NONE = Bridges()
