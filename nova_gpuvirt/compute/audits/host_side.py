"""What the host has: its guests, its cards, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Mapping

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import model
from nova_gpuvirt.audit import sides
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import hypervisor as hypervisor_
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.host import vfio


def guests(hypervisor: hypervisor_.Hypervisor) -> tuple[sides.Guest, ...]:
    """List the domains, with what they have of the host's devices.

    :raises Exception: libvirt's, when it doesn't answer
    """
    return tuple(
        sides.Guest(
            guest.uuid,
            guest.runs,
            frozenset(map(str, guest.has)),
            None
            if guest.defined is None
            else frozenset(map(str, guest.defined)),
        )
        for guest in hypervisor.guests()
    )


def hardware(
    gpus: gpus_.Gpus, sysfs: sysfs_.Sysfs, drivers: Drivers
) -> sides.Hardware:
    """Look at all cards, and at the functions that guests had."""
    host = gpus.survey()
    partitions = gpus.partitions.view(host.gpus)
    if partitions is None:
        active: frozenset[frozenset[model.PciAddress]] | None = frozenset()
    elif partitions.refusal is not None:
        active = None
    else:
        active = partitions.active
    return sides.Hardware(
        host.gpus,
        frozenset(map(str, host.unreadable)),
        active,
        drivers.kept(sysfs),
    )


def dirt(records: records_.Records, known: ways.Ways) -> sides.Dirt:
    """Read what is dirty.

    :raises InvalidRecord: when that of some card can't be read
    """
    entries = []
    for card, found in records.read().items():
        if isinstance(found, exception.InvalidRecord):
            raise found
        entries += [
            sides.Dirty(str(card), one.slot, one.instance)
            for one in found.dirty
        ]
    return sides.Dirt(
        tuple(entries),
        frozenset(k for k in ways.KINDS if known.is_remembered(k)),
    )


class Drivers:
    """Which driver had a function before a guest, for as long as it matters.

    What is dirty says so, and no record does when that is clean: it is
    remembered until the function is seen with a driver that is none of VFIO.
    """

    def __init__(self) -> None:
        self._before: dict[model.PciAddress, str] = {}

    def learn(self, entries: dirt_.Dirt) -> None:
        """Take note of what is dirty now."""
        for _, dirty in entries.entries():
            for function in dirty.functions:
                self._note(function)

    def _note(self, function: record.Function) -> None:
        driver = function.driver
        if driver is not None and not vfio.is_driver(driver):
            address = model.PciAddress.parse(function.address)
            self._before[address] = driver

    def kept(self, sysfs: sysfs_.Sysfs) -> Mapping[str, str]:
        """Tell which of them VFIO has, each with its own driver."""
        found = {}
        for address, before in list(self._before.items()):
            now = sysfs.link(address, 'driver')
            if now is not None and vfio.is_driver(now):
                found[str(address)] = before
            else:
                del self._before[address]
        return found
