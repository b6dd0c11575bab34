"""Whether an instance may have what it has claimed.

Placement and Nova's tracker look at one class of one provider; what a card
can be for whom is more than that.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from nova import objects

from nova_gpuvirt import backends
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.compute.claims import allocations
from nova_gpuvirt.compute.claims import completeness
from nova_gpuvirt.compute.claims import holders
from nova_gpuvirt.compute.claims import ledger as ledger_
from nova_gpuvirt.compute.claims import suitability
from nova_gpuvirt.placement import identity

# How long a check waits for a place that another gives back: longer than the
# commands that make it may take.
_RELEASE_SECONDS = 60.0


class Admission:
    """The check of claims, before anything is made for them.

    :param has_guest: tells whether an instance has a guest here, running or
        not, by the instance's UUID
    """

    def __init__(
        self, ledger: ledger_.Ledger, has_guest: Callable[[str], bool]
    ) -> None:
        self._ledger = ledger
        self._has_guest = has_guest
        self._checking = threading.Condition()
        # The places that are being given back.
        self._releasing: Counter[object] = Counter()

    def check(
        self,
        instance: objects.Instance,
        gpus: Iterable[model.Gpu],
        allocated: allocations.Units | None,
        *,
        arriving: bool,
    ) -> None:
        """Make sure that an instance may have what it is about to be given.

        Its claims are complete, hold together, are on the cards that they
        were made for, and no other instance of this host has them. Nova
        checks none of it across several classes, nor for a claim that a
        periodic update forgot, nor after the first time.

        :param allocated: what Placement has allocated to it, anywhere; None
            where that is not known
        :param arriving: whether it was claimed just now, for its flavor
        :raises ClaimRefused: when it may not
        """
        mine = self._ledger.ours(holders.by_provider(instance.resources))
        self._check_known(instance)
        completeness.check(self._ledger, instance, mine, allocated)
        if not mine:
            return
        by_address = {gpu.address: gpu for gpu in gpus}
        self._check_present(instance, mine, by_address)
        cards = [
            (by_address[address], claims)
            for address, claims in self._ledger.by_card(
                mine, by_address
            ).items()
            if claims
        ]
        for gpu, claims in cards:
            self._check_card(instance, gpu, claims)
        if arriving:
            suitability.check_together(instance, cards)
        # After a move that failed, the flavor is the old one.
        if arriving or allocated is None:
            suitability.check_traits(instance, cards)
        self._take(instance, mine, cards)

    def _take(
        self,
        instance: objects.Instance,
        mine: holders.Claims,
        cards: suitability.Cards,
    ) -> None:
        """Remember an instance's claims, which no other one may have then.

        libvirt, which may not answer, is asked beside the lock that all
        builds wait for.
        """
        without_guest: set[str] = set()
        while True:
            # Of two at once the second sees the first.
            with self._checking:
                self._wait_for_release(instance, self._places(mine))
                clash = self._clash(instance, cards, without_guest)
                if clash is None:
                    self._ledger.holders.add(instance.uuid, mine)
                    return
            other, refusal = clash
            if not self._is_first(instance, other):
                raise refusal
            without_guest.add(other)

    @contextlib.contextmanager
    def sole(
        self, instance: str, claims: Collection[model.Claim]
    ) -> Iterator[tuple[model.Claim, ...]]:
        """Give those of an instance's claims that nobody else has by now.

        Nobody passes a check for one of them as long as the caller holds
        them. Who is remembered to have the same place is asked before it is
        believed. While it is not known whose the providers are, none is given:
        what nobody claims is taken back with a later update.

        :param instance: its UUID
        """
        if not self._ledger.ready and not self._ledger.reports:
            yield ()
            return
        places = {slot.place for c in claims if (slot := c.slot) is not None}
        with self._checking:
            taken = {
                place
                for other, held in list(
                    self._ledger.holders.others(
                        self._ledger.node, instance, self._ledger.reports
                    )
                )
                if not places.isdisjoint(self._places(held))
                for place in self._places(
                    self._ledger.holders.claims_now(other)
                )
            }
            given = places - taken
            self._releasing.update(given)
        try:
            yield tuple(
                c for c in claims if not (c.slot and c.slot.place in taken)
            )
        finally:
            with self._checking:
                self._releasing -= Counter(given)
                self._checking.notify_all()

    def _wait_for_release(
        self, instance: objects.Instance, places: Collection[object]
    ) -> None:
        """Wait for who gives the same places back; under the lock."""
        if not self._checking.wait_for(
            lambda: self._releasing.keys().isdisjoint(places),
            _RELEASE_SECONDS,
        ):
            raise exception.ClaimRefused(
                f'instance {instance.uuid}',
                wanted='what another instance of this host had before',
                found='that it is still being taken back',
                remedy=exception.ELSEWHERE,
            )

    def _places(self, claims: holders.Claims) -> set[object]:
        """List the places on this host that are claimed."""
        return {
            slot.place
            for made in self._ledger.ours(claims).values()
            for claim in made
            if (slot := claim.slot) is not None
        }

    def _check_known(self, instance: objects.Instance) -> None:
        """Make sure that it is known which providers are of this host."""
        if self._ledger.ready or self._ledger.reports:
            return
        claims = self._ledger.claims(instance)
        if claims:
            raise exception.ClaimRefused(
                claims[0].shown,
                wanted=f'it for instance {instance.uuid}',
                found='that neither Placement nor the database says of which '
                'card its provider is',
                remedy='hard-reboot it when Placement answers',
            )

    def _check_present(
        self,
        instance: objects.Instance,
        mine: holders.Claims,
        gpus: Mapping[model.Device, model.Gpu],
    ) -> None:
        """Make sure that the cards are there, and those that were claimed.

        Who puts another card into the slot, or adds one before it, gives an
        address to another card.
        """
        for uuid, claims in mine.items():
            report = self._ledger.reports[uuid]
            cards = {*gpus}
            if not isinstance(report.device, model.FabricName):
                cards.add(report.device)
            for address, here in self._ledger.by_card(
                {uuid: claims}, cards
            ).items():
                if not here:
                    continue
                gpu = gpus.get(address)
                if gpu is None:
                    raise exception.ClaimRefused(
                        str(address),
                        wanted=f'it for instance {instance.uuid}',
                        found='no such card or VF on this host',
                        remedy='see `nova-gpuvirt discover` on this host',
                    )
                why = gpu.refusal or identity.why_another(
                    gpu, filter(None, [report.identity])
                )
                why = why or _why_not_of(gpu, here, gpus.values())
                if why:
                    raise _refused(gpu, instance, why)

    def _clash(
        self,
        instance: objects.Instance,
        cards: suitability.Cards,
        but: Collection[str],
    ) -> tuple[str, exception.ClaimRefused] | None:
        """Find another instance whose claims contradict these, if any does.

        Who is remembered to have some is asked before it is believed.

        :param but: the UUIDs of instances that do not count
        """
        for gpu, claims in cards:
            others = self._others(instance, gpu, but)
            all_ = [
                claim
                for held in others.values()
                for claim in self._of_card(gpu, held)
            ]
            if exclusion.contradiction(gpu, [*claims, *all_]) is None:
                continue
            for other, held in others.items():
                theirs = self._of_card(gpu, held)
                if exclusion.contradiction(gpu, [*claims, *theirs]) is None:
                    continue
                now = self._of_card(
                    gpu, self._ledger.holders.claims_now(other)
                )
                clash = exclusion.contradiction(gpu, [*claims, *now])
                if clash is not None:
                    return other, _refused(
                        gpu,
                        instance,
                        f'{clash}, also by instance {other}',
                        lost_modes.of(gpu, [*claims, *now])
                        or 'move or delete one of the two',
                    )
        return None

    def _others(
        self, instance: objects.Instance, gpu: model.Gpu, but: Collection[str]
    ) -> Mapping[str, holders.Claims]:
        """List who may hold something of a card, or of a set with it."""
        providers = [
            uuid
            for uuid, device in self._ledger.providers.items()
            if device == gpu.address or isinstance(device, model.FabricName)
        ]
        others = self._ledger.holders.others(
            self._ledger.node, instance.uuid, providers
        )
        return {uuid: held for uuid, held in others if uuid not in but}

    def _is_first(self, instance: objects.Instance, other: str) -> bool:
        """Tell whether an instance had its guest here when another had none.

        One that never was built, as after a move that failed, takes nothing
        from one that was.
        """
        return self._has_guest(instance.uuid) and not self._has_guest(other)

    def _of_card(
        self, gpu: model.Gpu, claims: holders.Claims
    ) -> list[model.Claim]:
        by_card = self._ledger.by_card(claims, [gpu.address])
        return by_card[gpu.address]

    @staticmethod
    def _check_card(
        instance: objects.Instance,
        gpu: model.Gpu,
        claims: list[model.Claim],
    ) -> None:
        clash = exclusion.contradiction(gpu, claims)
        if clash is not None:
            raise _refused(gpu, instance, clash)


def _why_not_of(
    gpu: model.Gpu,
    claims: Iterable[model.Claim],
    gpus: Iterable[model.Gpu],
) -> str | None:
    """Tell why claims of a card's provider can't be of that card, if so.

    A row of the database may say anything. One that names another card than
    its provider would get that card beside who has claimed it.

    :param gpus: all that the claims could be of
    """
    for claim in claims:
        slot = claim.slot
        if slot is None or slot.kind not in backends.KINDS:
            return f'{claim.shown!r}, which is no claim that can be read'
        if slot.kind != model.SET and not gpu.holds(slot.device):
            other = next((g for g in gpus if g.holds(slot.device)), None)
            if other is not None:
                return f'{slot}, which is of {other.address}'
    return None


def _refused(
    gpu: model.Gpu,
    instance: objects.Instance,
    found: str,
    remedy: str = exception.ELSEWHERE,
) -> exception.ClaimRefused:
    return exception.ClaimRefused(
        f'{gpu.address} ({gpu.model})',
        wanted=f'it for instance {instance.uuid}',
        found=found,
        remedy=remedy,
    )
