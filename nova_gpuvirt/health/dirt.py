"""What guests may have left their state in, and who may not have it therefore.

A slot is dirty from the moment before it is made ready for a guest, and until
it was cleaned. That stands in the record of its card before the guest has
anything, so it counts over a kill of nova-compute at any time.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import footprint
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.health import ways as ways_
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import sysfs as sysfs_

LOG = logging.getLogger(__name__)


class Dirt:
    """What is dirty of this host's cards, as it was at the last look.

    :param records: where it stands; None for a host that is only looked at
    :param sysfs: where PCI functions are read before a guest has them
    :ivar ways: how each kind is cleaned
    """

    def __init__(
        self,
        records: records_.Records | None = None,
        ways: ways_.Ways | None = None,
        sysfs: sysfs_.Sysfs | None = None,
    ) -> None:
        self._records = records
        self._sysfs = sysfs
        self.ways = ways or ways_.Ways()
        self._dirty: Mapping[model.PciAddress, tuple[record_.Dirty, ...]] = {}
        # A look that began earlier does not end later.
        self._looking = threading.Lock()

    def look(self) -> None:
        """Read again what is dirty.

        Of a card whose record can't be read it is not known. Such a card is
        in quarantine, and so is every card while no record can be read.
        """
        if self._records is None:
            return
        with self._looking:
            try:
                known = self._records.read()
            except exception.InvalidRecord as error:
                LOG.debug('What is dirty is as it was known: %s', error)
                return
            self._dirty = {
                card: found.dirty
                for card, found in known.items()
                if isinstance(found, record_.Record) and found.dirty
            }

    def slots(self, device: model.Device) -> frozenset[model.Slot]:
        """List the slots of a card that are dirty.

        One that this version can't read may be the whole card.
        """
        if not isinstance(device, model.PciAddress):
            return frozenset()
        return frozenset(
            one.claim.slot or model.Slot(model.WHOLE, device)
            for one in self._dirty.get(device, ())
        )

    def all_slots(self) -> frozenset[model.Slot]:
        """List the slots of this host that are dirty."""
        return frozenset().union(*map(self.slots, self._dirty))

    def claims(self) -> dict[model.Device, list[model.Claim]]:
        """List what is dirty by card, as what an instance claims."""
        return {
            card: [model.Claim('', str(slot)) for slot in self.slots(card)]
            for card in self._dirty
        }

    def entries(self) -> Iterator[tuple[model.PciAddress, record_.Dirty]]:
        """List what is dirty, with the card that it is of."""
        for card, dirty in self._dirty.items():
            for one in dirty:
                yield card, one

    @property
    def failures(self) -> dict[model.PciAddress, str]:
        """Tell of which cards something could not be cleaned, and why."""
        return {
            card: one.failed
            for card, one in self.entries()
            if one.failed is not None
        }

    def mark(
        self,
        card: model.PciAddress,
        slot: model.Slot,
        instance: str,
        functions: Collection[model.PciAddress] = (),
    ) -> None:
        """Remember that an instance is about to have a slot.

        :param functions: those that are reset after it, which are read now
        :raises NotClean: when another's state may be there
        :raises PrepareFailed: when that could not be cleaned
        :raises InvalidRecord: when it can't be remembered
        :raises Locked: when another one holds the records for long
        """
        if self._records is None or not self.ways.is_remembered(slot.kind):
            return
        self.look()
        boot = self._boot()
        key = instance, str(slot)
        if any(
            one.key == key
            and not (functions and footprint.is_of_another_boot(one, boot))
            for one in self._dirty.get(card, ())
        ):
            return
        new = record_.Dirty(
            str(slot),
            instance,
            record_.now(),
            tuple(self._before(function) for function in functions),
            boot=boot,
        )

        def mark(record: record_.Record) -> record_.Record:
            for one in record.dirty:
                if one.key == key:
                    # Since the host's start no guest has had it.
                    return record.with_dirty(
                        dataclasses.replace(
                            one, functions=new.functions, boot=boot
                        )
                    )
            others = _others(record.dirty, slot, instance)
            if others:
                raise _unclean(card, slot, instance, others)
            return record.with_dirty(new)

        self._records.change(card, mark)
        self.look()

    def cleaned(self, card: model.PciAddress, dirty: record_.Dirty) -> None:
        """Remember that something is clean.

        :raises InvalidRecord: when it can't be remembered
        :raises Locked: when another one holds the records for long
        """
        self._change(card, lambda record: record.cleaned(dirty))

    def failed(
        self, card: model.PciAddress, dirty: record_.Dirty, why: str
    ) -> None:
        """Remember that something could not be cleaned: a quarantine.

        :raises InvalidRecord: when it can't be remembered
        :raises Locked: when another one holds the records for long
        """
        new = record_.Quarantine(why, record_.now(), record_.By.NOVA_GPUVIRT)
        self._change(card, lambda record: record.failed(dirty, why).put(new))

    def note_vfs(
        self, card: model.PciAddress, dirty: record_.Dirty, vfs: record_.Vfs
    ) -> None:
        """Remember the VFs that a card loses while it is cleaned.

        :raises InvalidRecord: when it can't be remembered
        :raises Locked: when another one holds the records for long
        """
        self._change(card, lambda record: record.with_vfs(dirty, vfs))

    def had_since(self, card: model.PciAddress, dirty: record_.Dirty) -> None:
        """Take nothing for clean that an instance has still.

        :raises InvalidRecord: when it can't be remembered
        :raises Locked: when another one holds the records for long
        """
        self._change(card, lambda record: record.had_since(dirty))

    def _before(self, function: model.PciAddress) -> record_.Function:
        """Read what a function is before a guest has it."""
        assert self._sysfs is not None
        return record_.Function(
            str(function),
            self._sysfs.link(function, 'driver'),
            footprint.read(self._sysfs, function),
        )

    def _boot(self) -> str | None:
        """Tell which start of the host it is, None where that is not known."""
        return (
            None if self._sysfs is None else kernel.boot_id(self._sysfs.root)
        )

    def _change(
        self,
        card: model.PciAddress,
        how: Callable[[record_.Record], record_.Record],
    ) -> None:
        assert self._records is not None
        self._records.change(card, how)
        self.look()


def _others(
    dirty: Collection[record_.Dirty], slot: model.Slot, instance: str
) -> list[record_.Dirty]:
    """List what of others is in the way of a slot of the same card."""
    return [
        one
        for one in dirty
        if one.instance != instance
        and (
            slot.takes_all
            or (theirs := one.claim.slot) is None
            or theirs.takes_all
            or theirs.place == slot.place
        )
    ]


def _unclean(
    card: model.PciAddress,
    slot: model.Slot,
    instance: str,
    others: Collection[record_.Dirty],
) -> exception.PrepareFailed:
    first = min(others, key=lambda one: (one.failed is None, one.slot))
    error: type[exception.PrepareFailed] = exception.NotClean
    found = f'that {first.slot} is not clean yet after {first.instance}'
    remedy = 'nova-compute cleans it beside its requests; see its log'
    if first.failed is not None:
        error, found = exception.PrepareFailed, f'that {first.failed}'
        remedy = 'see `nova-gpuvirt quarantine` on this host'
    return error(
        str(card),
        wanted=f'{slot} for instance {instance}',
        found=found,
        remedy=remedy,
    )
