"""All sides of a host's GPUs, read one after the other."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from collections.abc import Collection
from typing import Any
from typing import TypeVar

from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.compute.audits import host_side
from nova_gpuvirt.compute.audits import nova_side
from nova_gpuvirt.compute.audits import placement_side
from nova_gpuvirt.compute.claims import ledger as ledger_
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.host import machine as machine_

LOG = logging.getLogger(__name__)

_T = TypeVar('_T')

NOVA = 'Nova'
PLACEMENT = 'Placement'
LIBVIRT = 'libvirt'
HARDWARE = 'hardware'
RECORDS = 'records'


@dataclasses.dataclass(frozen=True, slots=True)
class Means:
    """What the sides of a host are read from.

    :ivar recall: reads which providers are ours, before the first update
    :ivar tracker: returns Nova's resource tracker, once there is one
    :ivar client: returns Nova's report client
    """

    ledger: ledger_.Ledger
    recall: Callable[[], None]
    tracker: Callable[[], Any]
    client: Callable[[], Any]
    gpus: gpus_.Gpus
    machine: machine_.Machine
    dirt: dirt_.Dirt
    records: records_.Records


class Reading:
    """Who reads the sides of a host.

    It remembers which driver had a function before a guest.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._drivers = host_side.Drivers()

    def read(self) -> sides_.Sides:
        """Read all sides, as far as they answer."""
        means = self._means
        unread: dict[str, str] = {}
        self._side(unread, NOVA, means.recall)
        ledger = means.ledger
        providers = ledger.providers
        if not providers:
            if not ledger.ready:
                unread.setdefault(PLACEMENT, _nothing_of(ledger.host))
            return sides_.Sides(ledger.host, {}, unread=unread)
        means.dirt.look()
        self._drivers.learn(means.dirt)
        nova = self._side(
            unread,
            NOVA,
            lambda: nova_side.read(ledger.host, ledger.node, providers),
        )
        allocations, servers = None, dict(nova.servers) if nova else None
        if nova is not None:
            found = self._side(
                unread, PLACEMENT, lambda: self._allocations(nova)
            )
            if found is not None:
                allocations, strangers = found
                servers = {**strangers, **nova.servers}
        guests = self._side(
            unread,
            LIBVIRT,
            lambda: host_side.guests(means.machine.hypervisor),
        )
        if nova is not None and guests is not None and servers is not None:
            found_too = self._side(
                unread,
                NOVA,
                functools.partial(self._of_guests, guests, servers),
            )
            if found_too is None:
                guests = None
            else:
                servers |= found_too
        return sides_.Sides(
            ledger.host,
            providers,
            servers,
            nova.claims if nova else None,
            frozenset(ledger.last_claims) if ledger.ready else None,
            allocations,
            self._side(unread, PLACEMENT, self._capacities),
            guests,
            self._side(
                unread,
                HARDWARE,
                lambda: host_side.hardware(
                    means.gpus, means.machine.sysfs, self._drivers
                ),
            ),
            self._side(
                unread,
                RECORDS,
                lambda: host_side.dirt(means.records, means.dirt.ways),
            ),
            unread,
        )

    def _allocations(
        self, nova: nova_side.NovaSide
    ) -> tuple[tuple[sides_.Allocation, ...], dict[str, sides_.Server]]:
        ledger = self._means.ledger
        return placement_side.allocations(
            placement_side.amounts(self._means.client(), ledger.providers),
            nova,
            self._consumer,
        )

    def _consumer(self, uuid: str) -> nova_side.Consumer:
        """Find out whose an allocation is; Nova is asked, not Placement."""
        try:
            return nova_side.consumer(self._means.ledger.host, uuid)
        except Exception as error:
            why = str(error) or type(error).__name__
            raise LookupError(
                f'Nova does not tell whose {uuid} is: {why}'
            ) from error

    def _capacities(self) -> dict[sides_.Key, int]:
        """Tell what was published last, or ask Placement before that."""
        providers = self._means.ledger.providers
        if not self._means.ledger.ready:
            return placement_side.capacities(self._means.client(), providers)
        tree = self._means.tracker().provider_tree
        return {
            (provider, rc): placement_side.capacity(inventory)
            for provider in providers
            for rc, inventory in tree.data(provider).inventory.items()
        }

    def _of_guests(
        self,
        guests: Collection[sides_.Guest],
        known: Collection[str],
    ) -> dict[str, sides_.Server]:
        """Find the servers of guests that are of no server of this host."""
        host = self._means.ledger.host
        found = {}
        for guest in guests:
            if guest.uuid not in known and (guest.has or guest.defined):
                server = nova_side.server(host, guest.uuid)
                if server is not None:
                    found[guest.uuid] = server
        return found

    @staticmethod
    def _side(
        unread: dict[str, str], name: str, read: Callable[[], _T]
    ) -> _T | None:
        try:
            return read()
        except Exception as error:
            LOG.debug('%s can not be read', name, exc_info=True)
            unread[name] = str(error) or type(error).__name__
            return None


def _nothing_of(host: str) -> str:
    return (
        f'neither it nor Nova has a GPU of the host {host}: is that the name '
        'that nova-compute has here?'
    )
