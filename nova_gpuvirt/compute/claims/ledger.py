"""The claims on this host's GPUs, which Nova keeps.

Nova's resource tracker hands out the `Resource` objects that a driver
publishes, keeps them with the instance, and moves and frees them. So there
is no other record of who has what: not here, and not on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from oslo_log import log as logging

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.compute.claims import holders
from nova_gpuvirt.compute.claims import reported
from nova_gpuvirt.compute.claims import unsaved
from nova_gpuvirt.model import summary
from nova_gpuvirt.placement import providers as providers_

LOG = logging.getLogger(__name__)


class Ledger:
    """What is claimed of this host's GPUs, and by whom.

    :param host: this host, as Nova names it
    :param tracker: returns Nova's resource tracker, once there is one
    :ivar ready: whether the claims are known: not before the first update
    :ivar node: this host's node, as Nova names it
    :ivar reports: our providers, by UUID, and what each was of when something
        was claimed of it
    :ivar classes: the resource classes that they have
    :ivar holders: who holds what
    """

    def __init__(self, host: str, tracker: Callable[[], Any]) -> None:
        self.host = host
        self.ready = False
        self.node = ''
        self.reports: reported.Reports = {}
        self.classes: frozenset[str] = frozenset()
        self.holders = holders.Holders(host)
        self._tracker = tracker
        self._unsaved = unsaved.UnsavedClaims(self._is_under_way)
        # What was claimed at the last update, by provider: as Nova keeps it,
        # and as it was read.
        self._assigned: dict[
            str, tuple[frozenset[objects.Resource], frozenset[model.Claim]]
        ] = {}

    @property
    def providers(self) -> Mapping[str, model.Device]:
        """Our providers: the card or fabric of each, by UUID."""
        return {uuid: r.device for uuid, r in self.reports.items()}

    def recall(self, node: str, reports: reported.Reports) -> None:
        """Take note of what was reported before nova-compute started.

        The first update may have come meanwhile, and knows better.
        """
        if self.ready:
            return
        self.node = node
        self.reports = reports

    def learn(
        self,
        node: str,
        reports: reported.Reports,
        classes: frozenset[str],
    ) -> None:
        """Take note of what was just reported: of whom, in which classes."""
        self.node = node
        self.reports = reports
        self.classes = classes
        self.ready = True

    def assigned(self) -> dict[str, frozenset[model.Claim]]:
        """List every claim by provider, as the tracker has it now.

        To be called under the tracker's lock.
        """
        record = self._tracker().assigned_resources
        self._unsaved.heal(record, self.reports)
        read = {
            provider: self._read(provider, classes.values())
            for provider, classes in record.items()
        }
        self._assigned = read
        return {provider: claims for provider, (_, claims) in read.items()}

    def _read(
        self, provider: str, classes: Iterable[Collection[objects.Resource]]
    ) -> tuple[frozenset[objects.Resource], frozenset[model.Claim]]:
        """Read those of a provider's claims that are not known already."""
        made = frozenset().union(*classes)
        known, claims = self._assigned.get(
            provider, (frozenset(), frozenset())
        )
        if known == made:
            return known, claims
        gone, new = (
            frozenset(map(holders.claim_of, some))
            for some in (known - made, made - known)
        )
        return made, claims - gone | new

    @property
    def last_claims(self) -> frozenset[tuple[str, model.Claim]]:
        """Every claim that the tracker had at the last update, by provider."""
        return frozenset(
            (provider, claim)
            for provider, (_, claims) in list(self._assigned.items())
            if provider in self.reports
            for claim in claims
        )

    @property
    def last_slots(self) -> frozenset[model.Slot]:
        """Every slot of this host that was claimed at the last update."""
        return frozenset(
            slot
            for provider, (_, claims) in self._assigned.items()
            if provider in self.reports
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
        clean up with the claims of another: the provider tells. While our
        providers are not known, the claims of an instance of this host count.

        :param resources: its claims, where they are not the current ones
        """
        if resources is None:
            resources = instance.resources
        claims = ((r, holders.claim_of(r)) for r in resources or ())
        if self.ready or self.reports:
            return tuple(
                c for r, c in claims if r.provider_uuid in self.reports
            )
        if instance.host != self.host:
            return ()
        return tuple(c for _, c in claims if c.slot is not None)

    def is_of_others(self, provider: str) -> bool:
        """Tell whether a provider is in this host's tree, and none of ours.

        One of ours whose report failed has no claims. Before the first update
        nobody knows the tree, and nobody arrives.

        :param provider: its UUID
        """
        if not self.ready:
            return True
        tree = self._tracker().provider_tree
        if tree is None or not tree.exists(provider):
            return False
        name = tree.data(provider).name
        return providers_.address_of(self.node, name) is None

    def slots_in_database(self) -> frozenset[model.Slot]:
        """List every slot of this host that some instance holds."""
        held, _ = self.held()
        return frozenset(
            slot
            for claims in held.values()
            for claim in claims
            if (slot := claim.slot) is not None
        )

    def held(self) -> tuple[dict[model.Device, list[model.Claim]], set[str]]:
        """List every claim of this host that some instance holds, by card.

        :returns: these, of sets on each of their cards, and who holds them
        :raises ClaimRefused: when it can't be told of which cards they are
        """
        held = self._held()
        by_provider: dict[str, list[model.Claim]] = {}
        servers = set()
        for server, claims in held.items():
            for provider, made in self.ours(claims).items():
                by_provider.setdefault(provider, []).extend(made)
                servers.add(server)
        cards = {*self.providers.values()}
        return self.by_card(by_provider, cards), servers

    def holdings(self) -> set[tuple[str, model.PciAddress, model.Slot]]:
        """List who holds what of which card on PCI, a set card by card.

        :raises ClaimRefused: when it can't be told of which cards they are
        """
        cards = {*self.providers.values()}
        return {
            (server, card, part)
            for server, claims in self._held().items()
            for card, made in self.by_card(self.ours(claims), cards).items()
            if isinstance(card, model.PciAddress)
            for claim in made
            for part in (claim.slot.parts if claim.slot else ())
            if part.kind != model.WHOLE or part.device == card
        }

    def servers(self, card: model.Device) -> list[str]:
        """List the instances that have something of a card, in a set too.

        :returns: their UUIDs
        :raises ClaimRefused: when it can't be told of which cards they are
        """
        return [
            server
            for server, claims in self._held().items()
            if self.by_card(self.ours(claims), [card]).get(card)
        ]

    def _held(self) -> Mapping[str, holders.Claims]:
        """Read who holds what, where it can be told of which cards that is."""
        held, _ = self.holders.read(self.node)
        if any(held.values()) and not (self.ready or self.reports):
            raise exception.ClaimRefused(
                self.host,
                wanted='to know which cards its servers have',
                found='that neither Placement nor the database tells whose '
                'providers are which cards',
                remedy='see that Placement answers',
            )
        return held

    def by_card(
        self, claims: holders.Claims, cards: Collection[model.Device]
    ) -> dict[model.Device, list[model.Claim]]:
        """Gather claims by card; those on a set are on each of its cards."""
        providers = self.providers
        return exclusion.by_card(
            {providers[u]: c for u, c in claims.items() if u in providers},
            cards,
        )

    def running(self, node: str) -> Counter[summary.Request]:
        """Count the instances with GPUs of this host, by shape.

        Who holds what is read anew with it.
        """
        _, instances = self.holders.read(node)
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
        saved = objects.Instance.get_by_uuid(
            nova_context.get_admin_context(),
            instance.uuid,
            expected_attrs=['resources'],
        )
        saved.resources = instance.resources
        saved.save()

    def ours(self, claims: holders.Claims) -> holders.Claims:
        """Keep of some claims those on this host's GPUs."""
        return {p: c for p, c in claims.items() if p in self.reports}
