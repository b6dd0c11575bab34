"""What operators are told of quarantines: in the log, and by notifications.

A notification has the type ``gpuvirt.card.quarantined`` or
``gpuvirt.card.released``. It goes the way of Nova's unversioned ones:
`rpc.get_notifier` would warn in the log of each that is not Nova's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from nova import context as nova_context
from nova import rpc
from oslo_log import log as logging

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.health import quarantine as quarantine_
from nova_gpuvirt.health import record
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import physical_slots
from nova_gpuvirt.vendors import serials

LOG = logging.getLogger(__name__)

QUARANTINED = 'gpuvirt.card.quarantined'
RELEASED = 'gpuvirt.card.released'


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What a card is called: on the host, by its maker, on the machine.

    Each but the address is None where nothing tells it.
    """

    address: model.PciAddress
    model: str | None = None
    slot: str | None = None
    serial: str | None = None

    def __str__(self) -> str:
        named = (
            self.model or 'which is not there',
            self.slot and f'PCI slot {self.slot}',
            self.serial and f'serial number {self.serial}',
        )
        return f'{self.address} ({", ".join(filter(None, named))})'


def card_at(machine: machine_.Machine, address: model.PciAddress) -> Card:
    """Tell what the card at an address is called."""
    found = discovery.of(machine, {address})
    for gpu in found.gpus:
        if gpu.function is not None and gpu.address == address:
            return Card(
                address,
                gpu.name,
                physical_slots.name_of(machine.sysfs.root, gpu.function),
                serials.of(machine, gpu.function),
            )
    return Card(address)


class Quarantines:
    """The quarantines of a host that operators were told of.

    They are told anew by each start of nova-compute.

    :param host: this host, as Nova names it
    :param card_at: tells what the card at an address is called
    :param servers: tells the UUIDs of those that have something of a card
    """

    def __init__(
        self,
        host: str,
        quarantine: quarantine_.Quarantine,
        card_at: Callable[[model.PciAddress], Card],
        servers: Callable[[model.PciAddress], Collection[str]],
    ) -> None:
        self._host = host
        self._quarantine = quarantine
        self._card_at = card_at
        self._servers = servers
        self._told: dict[model.PciAddress, record.Quarantine] = {}

    def look(self) -> None:
        """Tell what changed since the last look.

        To be called where no lock of Nova's is held: it reads the database,
        and may ask a vendor's command.
        """
        self._quarantine.look()
        now = self._quarantine.cards
        for address in self._told.keys() - now.keys():
            before = self._told.pop(address)
            card = self._card_at(address)
            LOG.info('%s is in quarantine no more', card)
            self._notify('info', RELEASED, card, before)
        for address, quarantine in now.items():
            if self._told.get(address) == quarantine:
                continue
            self._told[address] = quarantine
            card = self._card_at(address)
            servers = self._notify('warn', QUARANTINED, card, quarantine)
            LOG.warning(
                '%s is in quarantine: %s; %s',
                card,
                quarantine_.told(quarantine),
                _kept_by(servers),
            )

    def _notify(
        self,
        priority: str,
        event_type: str,
        card: Card,
        quarantine: record.Quarantine,
    ) -> list[str] | None:
        """Send a notification.

        :returns: the servers in it
        """
        servers = self._servers_on(card.address)
        payload: dict[str, Any] = {
            'host': self._host,
            'address': str(card.address),
            'model': card.model,
            'slot': card.slot,
            'serial': card.serial,
            'reason': quarantine.reason,
            'since': quarantine.since or None,
            'by': quarantine.by.value,
            'servers': servers,
        }
        try:
            notifier = rpc.LEGACY_NOTIFIER.prepare(
                publisher_id=f'compute.{self._host}'
            )
            getattr(notifier, priority)(
                nova_context.get_admin_context(), event_type, payload
            )
        except Exception as error:
            LOG.warning('No notification of %s was sent: %s', card, error)
        return servers

    def _servers_on(self, address: model.PciAddress) -> list[str] | None:
        """List those that have something of a card, None where unknown."""
        try:
            return sorted(self._servers(address))
        except Exception as error:
            LOG.warning('Who has %s is not known: %s', address, error)
            return None


def _kept_by(servers: Collection[str] | None) -> str:
    if servers is None:
        return 'who has it is not known'
    if not servers:
        return 'no server has anything of it'
    return f'servers that have something of it keep it: {", ".join(servers)}'
