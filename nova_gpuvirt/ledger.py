"""The claims on this host's GPUs, which Nova keeps.

Nova's resource tracker hands out the `Resource` objects that a driver
publishes, keeps them with the instance, and moves and frees them. So there
is no other record of who has what: not here, and not on disk.
"""

from __future__ import annotations

import functools
import re
import threading
from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from nova.scheduler import utils as scheduler_utils
from oslo_log import log as logging

from nova_gpuvirt import exception
from nova_gpuvirt import holders
from nova_gpuvirt import model
from nova_gpuvirt import offers
from nova_gpuvirt import summary
from nova_gpuvirt import traits as traits_
from nova_gpuvirt import young_claims

LOG = logging.getLogger(__name__)

# The traits of a flavor that name a card or a profile.
_TRAIT = re.compile(r'trait[^:]*:(CUSTOM_GPU_(?:ID|MODEL|PROFILE|VENDOR)_\w+)')


class Ledger:
    """What is claimed of this host's GPUs, and by whom.

    :param host: this host, as Nova names it
    :param tracker: returns Nova's resource tracker, once there is one
    """

    def __init__(self, host: str, tracker: Callable[[], Any]) -> None:
        self.host = host
        self._tracker = tracker
        self._node = ''
        self._holders = holders.Holders(host)
        self._checking = threading.Lock()
        self._young = young_claims.YoungClaims(self._is_under_way)
        # Our providers and the classes they have, known from the first
        # update of the provider tree on.
        self._providers: Mapping[str, model.Device] | None = None
        self._classes: frozenset[str] = frozenset()
        # What was claimed at the last update, by provider: as Nova keeps it,
        # and as it was read.
        self._assigned: dict[
            str, tuple[frozenset[objects.Resource], frozenset[model.Claim]]
        ] = {}

    @property
    def ready(self) -> bool:
        """Tell whether the claims are known: not before the first update."""
        return self._providers is not None

    @property
    def made(self) -> Mapping[str, int]:
        """Count the claims that each provider has had since the start."""
        return self._young.made

    def learn(
        self,
        node: str,
        providers: Mapping[str, model.Device],
        classes: frozenset[str],
    ) -> None:
        """Take note of our providers, by UUID, and of their classes."""
        self._node = node
        self._providers = providers
        self._classes = classes

    def assigned(self) -> dict[str, frozenset[model.Claim]]:
        """List every claim by provider, as the tracker has it now.

        To be called under the tracker's lock.
        """
        record = self._tracker().assigned_resources
        self._young.heal(record, self._providers or {})
        read = {
            provider: self._read(provider, classes.values())
            for provider, classes in record.items()
        }
        self._assigned = read
        return {provider: claims for provider, (_, claims) in read.items()}

    def _read(
        self, provider: str, classes: Iterable[Collection[objects.Resource]]
    ) -> tuple[frozenset[objects.Resource], frozenset[model.Claim]]:
        """Read a provider's claims, if they are not those known already."""
        made = frozenset().union(*classes)
        known = self._assigned.get(provider)
        if known is not None and known[0] == made:
            return known
        return made, frozenset(holders.claim_of(r) for r in made)

    @property
    def last_slots(self) -> frozenset[model.Slot]:
        """Every slot of this host that was claimed at the last update."""
        return frozenset(
            slot
            for provider, (_, claims) in self._assigned.items()
            if provider in (self._providers or {})
            for claim in claims
            if (slot := claim.slot) is not None
        )

    def renew(self, provider: str) -> None:
        """Let Nova know a provider's generation, before it writes to it.

        Each allocation raises the generation, so the one that Nova has is
        old in every claim. Placement then refuses the write, and Nova reads
        the whole tree anew and writes again, under the tracker's lock: for
        eight cards that is some 60 requests in place of this one.

        :param provider: its UUID
        """
        try:
            self._tracker().reportclient._refresh_and_get_inventory(
                nova_context.get_admin_context(), provider
            )
        except Exception:
            LOG.debug('Not read anew: %s', provider, exc_info=True)

    def _is_under_way(self) -> bool:
        return any(
            instance.vm_state == vm_states.BUILDING
            or instance.task_state is not None
            for instance in objects.InstanceList.get_by_host(
                nova_context.get_admin_context(), self.host
            )
        )

    def claims(
        self, instance: objects.Instance, resources: Any = None
    ) -> tuple[model.Claim, ...]:
        """List what an instance holds of this host's GPUs.

        Identifiers of two hosts look the same, and Nova asks one host to
        clean up with the claims of another: the provider tells. Before our
        providers are known, the claims of an instance of this host count.

        :param resources: its claims, where they are not the current ones
        """
        if resources is None:
            resources = instance.resources
        claims = ((r, holders.claim_of(r)) for r in resources or ())
        if self._providers is not None:
            ours = self._providers
            return tuple(c for r, c in claims if r.provider_uuid in ours)
        if instance.host != self.host:
            return ()
        return tuple(c for _, c in claims if c.slot is not None)

    def slots_in_database(
        self, but: str | None = None
    ) -> frozenset[model.Slot]:
        """List every slot of this host that some instance holds.

        :param but: the UUID of an instance that does not count
        """
        held, _ = self._holders.read(self._node)
        return frozenset(
            slot
            for uuid, claims in held.items()
            if uuid != but
            for made in self._ours(claims).values()
            for claim in made
            if (slot := claim.slot) is not None
        )

    def running(self, node: str) -> Counter[summary.Request]:
        """Count the instances with GPUs of this host, by shape.

        Who holds what is read anew with it.
        """
        _, instances = self._holders.read(node)
        return Counter(
            summary.Request(
                instance.flavor.vcpus,
                instance.flavor.memory_mb,
                tuple(sorted(units.items())),
            )
            for instance in instances
            if (
                units := Counter(
                    c.resource_class for c in self.claims(instance)
                )
            )
        )

    @staticmethod
    def save(instance: objects.Instance) -> None:
        """Save an instance's claims now, and nothing else of it.

        Nova saves those of an unshelved server when its image has come,
        minutes after they were made: until then nobody else could see them.
        Some of its other fields are changed for the time of the build only.
        """
        if 'resources' not in instance.obj_what_changed():
            return
        saved = objects.Instance.get_by_uuid(
            nova_context.get_admin_context(),
            instance.uuid,
            expected_attrs=['resources'],
        )
        saved.resources = instance.resources
        saved.save()

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
        if not self._providers:
            return
        mine = self._ours(holders.by_provider(instance.resources))
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
            self._holders.add(instance.uuid, mine)

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
            for uuid, device in (self._providers or {}).items()
            if device == gpu.address or isinstance(device, model.FabricName)
        ]
        others = dict(
            self._holders.others(self._node, instance.uuid, providers)
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
            now = self._of_card(gpu, self._holders.claims_now(other))
            clash = offers.contradiction(gpu, [*claims, *now])
            if clash is not None:
                raise _refused(
                    gpu, instance, f'{clash}, also by instance {other}'
                )

    def _of_card(
        self, gpu: model.Gpu, claims: holders.Claims
    ) -> list[model.Claim]:
        return self._by_card(self._ours(claims), [gpu.address])[gpu.address]

    def _by_card(
        self,
        claims: holders.Claims,
        cards: Collection[model.Device],
    ) -> dict[model.Device, list[model.Claim]]:
        """Gather claims by card; those on a set are on each of its cards."""
        providers = self._providers or {}
        return offers.by_card(
            {providers[uuid]: made for uuid, made in claims.items()}, cards
        )

    def _check_complete(
        self,
        instance: objects.Instance,
        mine: holders.Claims,
    ) -> None:
        asked = _asked(tuple(instance.flavor.extra_specs.items()))
        for rc in sorted(self._classes & asked.keys()):
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

    def _ours(self, claims: holders.Claims) -> holders.Claims:
        providers = self._providers or {}
        return {p: made for p, made in claims.items() if p in providers}


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
