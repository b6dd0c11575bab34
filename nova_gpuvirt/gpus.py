"""The cards of one host: found, and reported."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt import backends
from nova_gpuvirt import model
from nova_gpuvirt.backends import partitions
from nova_gpuvirt.cards import bridges
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import hives
from nova_gpuvirt.cards import operator_filter as operator_filter_
from nova_gpuvirt.cards import reasons
from nova_gpuvirt.cards import topology
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import quarantine as quarantine_
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.placement import identity
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import providers as providers_
from nova_gpuvirt.vendors import nvlinks

LOG = logging.getLogger(__name__)


def _as_it_is(gpu: model.Gpu) -> model.Gpu:
    return gpu


def survey(
    machine: machine_.Machine,
    quarantine: quarantine_.Quarantine | None = None,
) -> discovery.Host:
    """Find the cards of a host, as if no option was set.

    :param quarantine: what is known of it, where anything is
    """
    every = operator_filter_.OperatorFilter()
    return Gpus(machine, every, quarantine=quarantine).survey(refresh=True)


class Gpus:
    """The cards of a host, and the backends that serve them.

    :param withhold: refuses a card that guests may not have for a reason
        that does not lie in the card
    :param unready: tells why a card is not yet what it shall be, so that no
        further guest gets it; such cards are looked at in each report
    :param quarantine: which cards are in it; it is looked at in each report
    :param dirt: what of them is dirty; likewise
    """

    def __init__(
        self,
        machine: machine_.Machine,
        allowed: operator_filter_.PerCard,
        withhold: Callable[[model.Gpu], model.Gpu] = _as_it_is,
        unready: Callable[[model.Gpu], str | None] = lambda _: None,
        quarantine: quarantine_.Quarantine | None = None,
        dirt: dirt_.Dirt | None = None,
    ) -> None:
        self._machine = machine
        self._allowed = allowed
        self._withhold = withhold
        self._unready = unready
        self._quarantine = quarantine or quarantine_.Quarantine()
        self._dirt = dirt or dirt_.Dirt()
        # The host at the last report, and what it was for cards.
        self._seen: discovery.Host | None = None
        self._reported: Mapping[model.Device, providers_.Provider] = {}
        # What the cards are that something was claimed of by then.
        self._claimed: Mapping[model.Device, frozenset[str]] = {}
        # Cards that become others, which a claim's report looks at too.
        self._changing: set[model.Device] = set()
        self._reasons = reasons.Log()
        self.partitions = partitions.Partitions(machine)
        self.hives = hives.Hives(machine.sysfs)
        self._nvlinks = nvlinks.NvLinks(machine.run)
        self._bridges = bridges.NONE
        self.backends = {
            backend.kind: backend(machine) for backend in backends.BACKENDS
        }

    def survey(self, *, refresh: bool = False) -> discovery.Host:
        """Find the cards as they are now, and what each can give.

        :param refresh: whether to ask what takes long to answer too, which
            must not be done under a lock of Nova's
        """
        host = self._look(refresh=refresh)
        return dataclasses.replace(
            host, fabrics=self._fabrics(host.gpus, refresh)
        )

    def of_claims(
        self, claims: Iterable[model.Claim]
    ) -> tuple[model.Gpu, ...]:
        """Find the cards that claims are on.

        They are as they were when these claims were reported.
        """
        if self._seen is None:
            return self.look_at(claims)
        devices = _devices(claims)
        return tuple(
            gpu
            for gpu in self._seen.gpus
            if any(gpu.holds(device) for device in devices)
        )

    def look_at(self, claims: Iterable[model.Claim]) -> tuple[model.Gpu, ...]:
        """Find the cards that claims are on, as they are now."""
        devices = _devices(claims)
        return self._look(devices).gpus if devices else ()

    def _look(
        self,
        devices: Collection[model.Device] | None = None,
        *,
        refresh: bool = False,
    ) -> discovery.Host:
        self._quarantine.look()
        self._dirt.look()
        host = discovery.of(self._machine, devices)
        if refresh:
            self._learn_bridges(host.gpus)
        else:
            self._see_bridged(host.gpus)
        if refresh:
            self._refresh_all(host.gpus)
        gpus = tuple(self._inspect(g, refresh) for g in host.gpus)
        return dataclasses.replace(host, gpus=gpus)

    def _fabrics(
        self, gpus: Collection[model.Gpu], refresh: bool
    ) -> tuple[topology.Fabric, ...]:
        """Find the sets; without them the cards are still there one by one."""
        try:
            if refresh:
                for gpu in gpus:
                    self.hives.learn(gpu)
                self.partitions.refresh(gpus)
            return topology.fabrics(
                gpus,
                self.hives.known,
                self.partitions.view(gpus),
                self._bridges,
            )
        except Exception as error:
            LOG.warning('The sets of cards could not be told: %s', error)
            return ()

    def _learn_bridges(self, gpus: Collection[model.Gpu]) -> None:
        """Ask for NVLinks from card to card, where no NVSwitch is between."""
        try:
            if self.partitions.view(gpus) is not None:
                return
            drivers: dict[int, dict[model.PciAddress, str | None]] = {}
            for gpu in gpus:
                if gpu.function and gpu.is_nvidia:
                    cards = drivers.setdefault(gpu.function.device_id, {})
                    cards[gpu.function.address] = gpu.function.driver
            for device, cards in drivers.items():
                self._nvlinks.learn(device, cards)
            self._bridges = self._nvlinks.view()
        except Exception as error:
            LOG.warning('The NVLinks between cards are not known: %s', error)

    def _see_bridged(self, gpus: Collection[model.Gpu]) -> None:
        """Take note of cards that came back and can't be asked about here."""
        for gpu in gpus:
            function = gpu.function
            if function and gpu.is_nvidia and function.driver == 'nvidia':
                self._nvlinks.saw(function.address)
        self._bridges = self._nvlinks.view()

    def _inspect(self, gpu: model.Gpu, refresh: bool) -> model.Gpu:
        why = self._quarantine.why_not(gpu)
        gpu = dataclasses.replace(
            gpu,
            quarantined=why is not None,
            dirty=self._dirt.slots(gpu.address),
        )
        if gpu.refusal is not None:
            return self._allowed.of(gpu).narrow(gpu)
        if refresh:
            self._refresh(gpu)
        try:
            for backend in self.backends.values():
                gpu = backend.discover(gpu)
            gpu = dataclasses.replace(
                gpu,
                alone_refusal=self._bridges.why_not_alone(gpu.address),
                withheld=gpu.withheld or why or self._unready(gpu),
            )
            gpu = self._withhold(self._allowed.of(gpu).narrow(gpu))
            return identity.hold(gpu, self._claimed)
        except Exception as error:  # one bad card never hides the good ones
            return self._allowed.of(gpu).narrow(
                dataclasses.replace(gpu, refusal=str(error), shares=())
            )

    def _refresh_all(self, gpus: Collection[model.Gpu]) -> None:
        """Ask about all cards at once, except those that can't be read."""
        readable = [gpu for gpu in gpus if gpu.refusal is None]
        for backend in self.backends.values():
            try:
                backend.refresh_all(readable)
            except Exception as error:
                LOG.warning('No answer about %s: %s', backend.kind, error)

    def _refresh(self, gpu: model.Gpu) -> None:
        """Ask again; what is not answered stays as it was."""
        for backend in self.backends.values():
            try:
                backend.refresh(gpu)
            except Exception as error:
                LOG.warning(
                    '%s: no answer about %s: %s',
                    gpu.address,
                    backend.kind,
                    error,
                )

    def look_again(self, device: model.Device) -> None:
        """Look at a card anew in the next report, whatever that is of."""
        self._changing.add(device)

    def report(
        self,
        node: str,
        known: Mapping[model.Device, inventory.Known],
        *,
        everything: bool = True,
    ) -> tuple[providers_.Provider | providers_.SetProvider, ...]:
        """Tell what Placement shall know of this host's cards.

        :param known: what it knows already, and the claims, by card
        :param everything: whether to look at every card, and not only at
            those whose claims are others than in the last report
        """
        self._claimed = identity.of_claimed(known)
        changing = {*self._changing}
        if everything or self._seen is None:
            host = self.survey()
        else:
            host = self._look_at_changed(self._seen, known, changing)
        self._changing -= changing
        self._reasons.tell(host, known.keys())
        providers = providers_.providers(
            node,
            host.gpus,
            host.unreadable.keys(),
            known,
            lambda gpu: self._allowed.of(gpu).default_profile,
            host.fabrics,
            self._reported,
            self._quarantine.is_quarantined,
        )
        self._seen = host
        self._reported = {
            provider.card.device: provider
            for provider in providers
            if isinstance(provider, providers_.Provider)
        }
        self._reasons.tell_lost(
            {
                device: provider.card.lost
                for device, provider in self._reported.items()
                if provider.card.lost is not None
            },
            {gpu.address for gpu in host.gpus},
        )
        return providers

    def _look_at_changed(
        self,
        seen: discovery.Host,
        known: Mapping[model.Device, inventory.Known],
        changing: Collection[model.Device],
    ) -> discovery.Host:
        """Look at the cards whose claims changed since the last report.

        :param seen: the host at that report
        :param changing: cards that are looked at as well
        """
        claims = exclusion.by_card(
            {device: before.claims for device, before in known.items()},
            {gpu.address for gpu in seen.gpus},
        )
        changed = {
            device
            for device, taken in claims.items()
            if tuple(taken) != self._taken(device)
        }
        changed.update(changing)
        self._quarantine.look()
        self._dirt.look()
        changed |= {
            g.address
            for g in seen.gpus
            if self._unready(g)
            or g.quarantined != self._quarantine.is_quarantined(g.address)
            or g.dirty != self._dirt.slots(g.address)
        }
        if not changed:
            return seen
        now = self._look(changed)
        kept = [
            gpu
            for gpu in seen.gpus
            if isinstance(gpu.address, model.PciAddress)
            and gpu.address not in changed
        ]
        unreadable = {
            device: reason
            for device, reason in seen.unreadable.items()
            if device not in changed
        }
        gpus = (*kept, *now.gpus)
        return dataclasses.replace(
            now,
            gpus=gpus,
            unreadable={**unreadable, **now.unreadable},
            fabrics=self._fabrics(gpus, refresh=False),
        )

    def _taken(self, device: model.Device) -> tuple[model.Claim, ...]:
        """List what the last report found claimed of a card."""
        provider = self._reported.get(device)
        return provider.card.taken if provider else ()


def _devices(claims: Iterable[model.Claim]) -> set[model.Device]:
    """List the cards and VFs that claims are on."""
    slots = (slot for claim in claims if (slot := claim.slot) is not None)
    return {part.device for slot in slots for part in slot.parts}
