"""Whether Nova, Placement, libvirt, the hardware and our records agree.

Each periodic update looks, where no lock of Nova's is held. What two looks in
a row find is told, once, and put right where that is safe; it is told again
when it has ended.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from typing import TypeVar

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import once
from nova_gpuvirt.audit import compare
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.compute import timed
from nova_gpuvirt.compute.audits import host_side
from nova_gpuvirt.compute.audits import nova_side
from nova_gpuvirt.compute.audits import placement_side
from nova_gpuvirt.compute.audits import repairs as repairs_
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
    :ivar undisturbed: keeps other programs from having the GPUs meanwhile
    """

    ledger: ledger_.Ledger
    recall: Callable[[], None]
    tracker: Callable[[], Any]
    client: Callable[[], Any]
    gpus: gpus_.Gpus
    machine: machine_.Machine
    dirt: dirt_.Dirt
    records: records_.Records
    undisturbed: Callable[[], AbstractContextManager[None]]


class Auditing:
    """The comparison of a host's sides, and what was told of it."""

    def __init__(self, means: Means, repairs: repairs_.Repairs) -> None:
        self._means = means
        self._repairs = repairs
        self._drivers = host_side.Drivers()
        self._seen: frozenset[tuple[str, str, str]] = frozenset()
        # What was logged and has not ended, and why repairs fail.
        self._told: dict[tuple[str, str, str], str] = {}
        self._unread = once.Once(LOG)

    def look(self) -> disagreement.Comparison:
        """Compare all sides as they are at this moment.

        One look may come in the midst of a change that Nova does not show
        with its servers: `update` wants two in a row.
        """
        return compare.compare(self.read())

    @timed.step
    def update(self) -> None:
        """Look, tell what is new, and put right what is safe.

        What another program makes of the GPUs, which has them for itself just
        now, is not looked at.
        """
        try:
            self._wait_for_others()
        except exception.Locked as error:
            LOG.debug('No side is compared: %s', error)
            self._seen = frozenset()
            return
        sides = self.read()
        found = compare.compare(sides)
        again = self._again(found)
        for side, why in found.not_compared.items():
            self._unread.warn(f'{side} is not compared: {why}', side)
        if not found.not_compared:
            self._unread.be_well()
            self._tell_ended(found)
        for each in again:
            self._treat(each, sides)

    def look_twice(
        self, pause: float, sleep: Callable[[float], None] = time.sleep
    ) -> disagreement.Comparison:
        """Look, and look again at what is found.

        :param pause: seconds between the two looks
        :raises Locked: while another program has the GPUs for itself
        """
        self._wait_for_others()
        found = self.look()
        if found.disagreements:
            sleep(pause)
            found = self.look().also_in(found)
        self._again(found)
        return found

    def _wait_for_others(self) -> None:
        """See that no other program has the GPUs for itself.

        The lock is not held then: Nova and Placement may be slow.

        :raises Locked: when one has
        """
        with self._means.undisturbed():
            pass

    def fix(self) -> Iterator[tuple[disagreement.Disagreement, str]]:
        """Put right what is safe of what the last two looks have found too.

        :returns: of each what was done
        """
        sides = self.read()
        for each in self._again(compare.compare(sides)):
            if self._repairs.can(each):
                try:
                    done = self._repairs.repair(each, sides)
                except Exception as error:
                    yield each, f'not done: {error}'
                else:
                    yield each, done or 'nothing done: it is not so any more'

    def _again(
        self, found: disagreement.Comparison
    ) -> Collection[disagreement.Disagreement]:
        """Choose what the look before has found too."""
        before = self._seen
        self._seen = frozenset(each.key for each in found.disagreements)
        return [each for each in found.disagreements if each.key in before]

    def _treat(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> None:
        is_ours = found.by is disagreement.By.NOVA_COMPUTE
        if is_ours and self._repairs.can(found):
            try:
                done = self._repairs.repair(found, sides)
            except Exception as error:
                self._tell(found, f'not put right: {error}')
            else:
                if done is not None:
                    LOG.warning('Put right: %s: %s', found, done)
        else:
            self._tell(found, found.remedy)

    def _tell(self, found: disagreement.Disagreement, what: str) -> None:
        text = f'{found}; {what}'
        if found.key not in self._told:
            LOG.warning('The sides of this host disagree: %s', text)
        self._told[found.key] = text

    def _tell_ended(self, found: disagreement.Comparison) -> None:
        for key in self._told.keys() - self._seen:
            LOG.info('They agree again: %s', self._told.pop(key))

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
            servers |= self._of_guests(guests, servers)
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
            lambda uuid: nova_side.consumer(ledger.host, uuid),
        )

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
