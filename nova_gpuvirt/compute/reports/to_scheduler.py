"""What a host tells the scheduler, made from what Placement is told."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import nearness
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import one_guest
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.placement import providers as providers_

# Of the shapes that run, the most frequent ones that are told of.
_MOST = 16
# Of the instances that have arrived, the newest ones that are told of.
_NEWEST = 64


class HostSummary:
    """The summary of a host's GPUs, made anew in each update.

    A card that did not change since the last one is not looked at again.

    :param has_console: whether guests have a console that shows pictures
    """

    def __init__(self, *, has_console: bool) -> None:
        self._has_console = has_console
        self._cards: dict[str, tuple[providers_.Card, summary.Card]] = {}

    def text(
        self,
        providers: Mapping[str, providers_.Provider | providers_.SetProvider],
        running: Mapping[summary.Request, int],
        arrived: Sequence[str],
    ) -> str:
        """Write it, as the scheduler reads it; see `summarize`."""
        return summary_text.dump(self.summarize(providers, running, arrived))

    def summarize(
        self,
        providers: Mapping[str, providers_.Provider | providers_.SetProvider],
        running: Mapping[summary.Request, int],
        arrived: Sequence[str],
    ) -> summary.Summary:
        """Sum up the GPUs of a host.

        :param providers: our providers, by UUID
        :param running: how many instances of each shape have GPUs of this
            host
        :param arrived: the UUIDs of instances that arrived a moment ago,
            newest last
        """
        cards = {
            uuid: provider.card
            for uuid, provider in sorted(providers.items())
            if isinstance(provider, providers_.Provider)
        }
        self._cards = {uuid: self._card(uuid, c) for uuid, c in cards.items()}
        switches = nearness.switches(
            tuple(
                card.gpu.function
                for card in cards.values()
                if card.gpu and card.gpu.function
            )
        )
        indexes = {card.device: i for i, card in enumerate(cards.values())}
        return summary.Summary(
            tuple(
                dataclasses.replace(told, switch=switches.get(card.device))
                for card, told in self._cards.values()
            ),
            tuple(
                _sets(uuid, provider, indexes)
                for uuid, provider in sorted(providers.items())
                if isinstance(provider, providers_.SetProvider)
            ),
            tuple(Counter(running).most_common(_MOST)),
            tuple(map(summary.mark, arrived[-_NEWEST:])),
        )

    def _card(
        self, uuid: str, card: providers_.Card
    ) -> tuple[providers_.Card, summary.Card]:
        last = self._cards.get(uuid)
        if last is not None and last[0] is card:
            return last
        return card, _card(uuid, card, self._has_console)


def _sets(
    uuid: str,
    provider: providers_.SetProvider,
    indexes: Mapping[model.Device, int],
) -> summary.Sets:
    free = {
        rc: tuple(
            tuple(indexes[card] for card in s.cards if card in indexes)
            for s in sets
        )
        for rc, sets in provider.free.items()
    }
    return summary.Sets(uuid, free)


def _card(uuid: str, card: providers_.Card, has_console: bool) -> summary.Card:
    gpu = card.gpu
    if gpu is None:
        return summary.Card(
            uuid,
            str(card.device),
            summary.Layout(''),
            health=_health(card),
            unused=0,
        )
    profiles = [
        (way, share, profile)
        for way, share in enumerate(gpu.shares)
        for profile in offers.parts_of(share)
    ]
    left = {offer.resource_class: offer.count for offer in card.free}
    vgpu = [i for i, (*_, p) in enumerate(profiles) if p == card.default]
    return summary.Card(
        uuid,
        str(card.device),
        summary.Layout(
            gpu.model,
            tuple(_part(*each, has_console) for each in profiles),
            one_guest.vendor_of(gpu),
        ),
        numa_node=gpu.function.numa_node if gpu.function else None,
        health=_health(card),
        whole=bool(left[orc.PGPU]) if orc.PGPU in left else None,
        unused=_unused(gpu, card),
        left=tuple(left.get(p.resource_class, 0) for *_, p in profiles),
        vgpu=vgpu[0] if vgpu else None,
    )


def _health(card: providers_.Card) -> summary.Health:
    if card.gpu is None and not card.is_sick:
        return summary.Health.MISSING
    if card.is_sick or card.in_quarantine:
        return summary.Health.QUARANTINED
    return summary.Health.OK


def _part(
    way: int, share: model.Share, profile: model.Profile, has_console: bool
) -> summary.Part:
    if isinstance(share.rule, size_rules.EqualSize):
        how = summary.Sharing.EQUAL
    elif isinstance(share.rule, size_rules.Independent):
        how = summary.Sharing.INDEPENDENT
    else:
        how = summary.Sharing.MIXED
    return summary.Part(
        profile.resource_class,
        _size(profile),
        how,
        has_console and profile.display is not None,
        way,
        profile.per_card,
        profile.per_guest,
        profile.series,
    )


def _size(profile: model.Profile) -> int:
    """Tell what one takes of a card, in millionths.

    Where the driver does not tell how many fit, it is what is left now.
    """
    places = len(profile.places or ())
    return summary.CARD // max(
        profile.max_instances or places or profile.available, 1
    )


def _unused(gpu: model.Gpu, card: providers_.Card) -> int:
    """Tell how many millionths of a card no part has, made or claimed."""
    taken = exclusion.with_dirt(gpu, card.taken)
    if any(exclusion.takes_all(claim.slot) for claim in taken):
        return 0
    used = sum(
        _size(profile) * count
        for slug, count in offers.present(gpu, taken).items()
        if (profile := gpu.profile(slug)) is not None
    )
    return max(0, summary.CARD - used)
