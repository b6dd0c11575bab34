"""Whether an instance may have what it has claimed.

Placement and Nova's tracker look at one class of one provider; what a card
can be for whom is more than that.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from nova import objects
from nova.scheduler import utils as scheduler_utils

from nova_gpuvirt import exception
from nova_gpuvirt import holders
from nova_gpuvirt import ledger as ledger_
from nova_gpuvirt import model
from nova_gpuvirt import offers
from nova_gpuvirt import traits as traits_

# The traits of a flavor that name a card or a profile.
_TRAIT = re.compile(r'trait[^:]*:(CUSTOM_GPU_(?:ID|MODEL|PROFILE|VENDOR)_\w+)')


class Admission:
    """The check of claims, before anything is made for them."""

    def __init__(self, ledger: ledger_.Ledger) -> None:
        self._ledger = ledger
        self._checking = threading.Lock()

    def check(
        self,
        instance: objects.Instance,
        gpus: Iterable[model.Gpu],
    ) -> None:
        """Make sure that an instance may have what it is about to be given.

        Its claims are complete, hold together, and no other instance of this
        host has them. Nova checks none of it across several classes, nor for
        a claim that a periodic update forgot.

        :raises ClaimRefused: when it may not
        """
        if not self._ledger.providers:
            return
        mine = self._ledger.ours(holders.by_provider(instance.resources))
        self._check_complete(instance, mine)
        if not mine:
            return
        by_address = {gpu.address: gpu for gpu in gpus}
        by_card = self._by_card(mine, by_address)
        traits: set[str] = set()
        # Of two at once the second sees the first.
        with self._checking:
            for address, claims in by_card.items():
                gpu = by_address.get(address)
                if gpu is None or not claims:
                    continue  # preparing one that is gone fails, and says why
                self._check_card(instance, gpu, claims)
                self._check_others(instance, gpu, claims)
                traits |= traits_.of_card(gpu)
                traits |= {
                    traits_.of_profile(slot.profile)
                    for claim in claims
                    if (slot := claim.slot) is not None and slot.profile
                }
            _check_traits(instance, traits)
            self._ledger.holders.add(instance.uuid, mine)

    def _check_others(
        self,
        instance: objects.Instance,
        gpu: model.Gpu,
        claims: Sequence[model.Claim],
    ) -> None:
        """Make sure that no other instance has what contradicts these claims.

        Who is remembered to have some is asked before it is believed.
        """
        providers = [
            uuid
            for uuid, device in self._ledger.providers.items()
            if device == gpu.address or isinstance(device, model.FabricName)
        ]
        others = dict(
            self._ledger.holders.others(
                self._ledger.node, instance.uuid, providers
            )
        )
        together = {
            p: [c for held in others.values() for c in held.get(p, ())]
            for p in providers
        }
        theirs = self._of_card(gpu, together)
        if offers.contradiction(gpu, [*claims, *theirs]) is None:
            return
        for other, held in others.items():
            theirs = self._of_card(gpu, held)
            if offers.contradiction(gpu, [*claims, *theirs]) is None:
                continue
            now = self._of_card(gpu, self._ledger.holders.claims_now(other))
            clash = offers.contradiction(gpu, [*claims, *now])
            if clash is not None:
                raise _refused(
                    gpu, instance, f'{clash}, also by instance {other}'
                )

    def _of_card(
        self, gpu: model.Gpu, claims: holders.Claims
    ) -> list[model.Claim]:
        by_card = self._by_card(self._ledger.ours(claims), [gpu.address])
        return by_card[gpu.address]

    def _by_card(
        self,
        claims: holders.Claims,
        cards: Collection[model.Device],
    ) -> dict[model.Device, list[model.Claim]]:
        """Gather claims by card; those on a set are on each of its cards."""
        providers = self._ledger.providers
        return offers.by_card(
            {providers[uuid]: made for uuid, made in claims.items()}, cards
        )

    def _check_complete(
        self,
        instance: objects.Instance,
        mine: holders.Claims,
    ) -> None:
        asked = _asked(tuple(instance.flavor.extra_specs.items()))
        for rc in sorted(self._ledger.classes & asked.keys()):
            have = sum(
                c.resource_class == rc for cs in mine.values() for c in cs
            )
            if have != asked[rc]:
                raise exception.ClaimRefused(
                    f'instance {instance.uuid}',
                    wanted=f'{asked[rc]} of {rc} from this host',
                    found=f'{have} claimed',
                    remedy='Nova tries another host, where it still can',
                )

    @staticmethod
    def _check_card(
        instance: objects.Instance,
        gpu: model.Gpu,
        claims: list[model.Claim],
    ) -> None:
        clash = offers.contradiction(gpu, claims)
        if clash is not None:
            raise _refused(gpu, instance, clash)
        for share in gpu.shares:
            limit = share.per_guest
            count = sum(
                slot.kind == share.kind
                for claim in claims
                if (slot := claim.slot) is not None
            )
            if limit is not None and count > limit:
                raise _refused(
                    gpu,
                    instance,
                    f'{count} parts of it for one guest, which may '
                    f'have {limit} ({share.kind})',
                )


@functools.lru_cache(maxsize=256)
def _asked(extra_specs: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
    """Count what a flavor asks for, of each class that it names itself."""
    flavor = objects.Flavor(
        extra_specs=dict(extra_specs),
        **dict.fromkeys(
            ('vcpus', 'memory_mb', 'root_gb', 'ephemeral_gb', 'swap'), 0
        ),
    )
    request = scheduler_utils.ResourceRequest.from_request_spec(
        objects.RequestSpec(flavor=flavor, is_bfv=False)
    )
    found: Mapping[str, int] = request.merged_resources()
    return found


def _refused(
    gpu: model.Gpu, instance: objects.Instance, found: str
) -> exception.ClaimRefused:
    return exception.ClaimRefused(
        f'{gpu.address} ({gpu.model})',
        wanted=f'it for instance {instance.uuid}',
        found=found,
        remedy='Nova tries another host, where it still can',
    )


def _check_traits(instance: objects.Instance, have: set[str]) -> None:
    """Make sure that the cards are still what the flavor asks for.

    What VGPU stands for on a card may change between Placement's choice and
    the claim, and a card may be another one since.
    """
    wanted = {
        match[1]
        for key, value in instance.flavor.extra_specs.items()
        if value == 'required' and (match := _TRAIT.fullmatch(key))
    }
    if not wanted <= have:
        raise exception.ClaimRefused(
            f'instance {instance.uuid}',
            wanted=', '.join(sorted(wanted - have)),
            found=', '.join(sorted(have)),
            remedy='Nova tries another host, where it still can',
        )
