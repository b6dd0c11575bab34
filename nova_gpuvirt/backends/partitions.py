"""The partitions of NVSwitches as sets of this host's cards.

A guest's cards are joined before it boots and parted when it has ended: a
set has its partition, and a card alone has one of its own, which keeps its
NVLinks from the others.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.backends import partition_list
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.vendors import fabric_manager

LOG = logging.getLogger(__name__)


class Partitions:
    """The orders to Fabric Manager, and what they rest on."""

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self._list = partition_list.PartitionList(machine)

    def view(self, gpus: Iterable[model.Gpu]) -> topology.Partitions | None:
        """Tell what is known, None for a host without NVSwitches."""
        return self._list.view(gpus)

    def refresh(self, gpus: Iterable[model.Gpu]) -> None:
        """Ask again which cards are where, and which are joined."""
        self._list.refresh(gpus)

    def prepare(
        self, cards: Collection[model.PciAddress], instance: str
    ) -> bool:
        """Join the cards of a guest, apart from all others.

        One card alone is let go without, where Fabric Manager has no say:
        it works with its NVLinks off. So is a set that never had one.

        :returns: whether anything had to be done
        :raises PrepareFailed: when they can't be joined
        """
        if not self._concerns(cards):
            return False
        name = _name(cards)
        try:
            partition = self._list.find(cards)
        except commands.CommandFailed as error:
            if len(cards) == 1 or self._list.may_have_none(cards, error):
                LOG.warning(
                    '%s goes to instance %s without a partition: %s; its '
                    'guest may have to switch NVLink off',
                    *(name, instance, error),
                )
                return False
            raise _not_joined(
                name, instance, str(error), partition_list.REMEDY
            ) from error
        if partition.active:
            return False
        self._refuse_overlap(partition, name, instance)
        try:
            self._list.manager.activate(partition.number)
            done = self._list.again(partition)
        except commands.CommandFailed as error:
            raise _not_joined(
                name, instance, str(error), "see Fabric Manager's log"
            ) from error
        if not done.active:
            raise _not_joined(
                name,
                instance,
                f'partition {partition.number} inactive after it was '
                'activated',
                "see Fabric Manager's log",
            )
        LOG.info('Activated partition %s: %s', partition.number, name)
        return True

    def release(self, cards: Collection[model.PciAddress]) -> None:
        """Part the cards of a guest that has ended.

        :raises ReleaseFailed: when that can't be done now
        """
        if not self._concerns(cards) or self._list.never_answered():
            return
        name = _name(cards)
        try:
            partition = self._list.find(cards)
        except partition_list.NoSuch:
            return  # it was given without one
        except commands.CommandFailed as error:
            raise _not_parted(name, str(error)) from error
        if not partition.active:
            return
        opener = self._opener(cards, ours=True)
        if opener is not None:
            raise _not_parted(name, f'that {opener} has it')
        try:
            self._list.manager.deactivate(partition.number)
            left = self._list.again(partition)
        except commands.CommandFailed as error:
            raise _not_parted(name, str(error)) from error
        if left.active:
            raise _not_parted(
                name, 'it active after it was told to deactivate it'
            )
        LOG.info('Deactivated partition %s: %s', partition.number, name)

    def leftovers(
        self,
        gpus: Iterable[model.Gpu],
        claimed: Collection[model.Slot],
    ) -> tuple[base.Leftover, ...]:
        """Find the active partitions that nobody claims and nothing holds.

        Nothing tells who activated one. So only those count of which every
        card is offered whole; any other is the operator's own.
        """
        ours = {
            gpu.address
            for gpu in gpus
            if (gpu.offered or gpu.in_sets) and exclusion.is_whole(gpu, ())
        }
        found = []
        for partition in self._list.last or ():
            cards = self._list.cards(partition) if partition.active else None
            if not cards or not cards <= ours:
                continue
            slot = _slot(cards)
            if slot not in claimed and self._opener(cards) is None:
                name = f'partition {partition.number} of Fabric Manager'
                found.append(base.Leftover(name, slot))
        return tuple(found)

    def _concerns(self, cards: Iterable[model.PciAddress]) -> bool:
        """Tell whether NVSwitches join these cards."""
        sysfs = self._machine.sysfs
        return self._list.has_switches() and all(
            sysfs.read_if_there(card, 'vendor') == f'{model.NVIDIA:#06x}'
            for card in cards
        )

    def _refuse_overlap(
        self,
        partition: fabric_manager.Partition,
        name: str,
        instance: str,
    ) -> None:
        for other in self._list.last or ():
            if other.active and other.modules & partition.modules:
                raise _not_joined(
                    name,
                    instance,
                    f'partition {other.number} active, which shares cards '
                    f'with partition {partition.number}',
                    'it is deactivated with the next periodic update at the '
                    'latest, if nothing uses it; else see who does: '
                    f'fmpm -d {other.number}',
                )

    def _opener(
        self, cards: Iterable[model.PciAddress], *, ours: bool = False
    ) -> str | None:
        """Tell what has one of the cards open."""
        for card in cards:
            try:
                opener = self._machine.opener(card, ours=ours)
            except FileNotFoundError:
                continue  # it is not on VFIO, or gone
            except OSError as error:
                raise _not_parted(
                    str(card), f'no answer who has it: {error}'
                ) from error
            if opener is not None:
                return opener
        return None


def _slot(cards: partition_list.Cards) -> model.Slot:
    if len(cards) == 1:
        (card,) = cards
        return model.Slot(model.WHOLE, card)
    return model.Slot(model.SET, model.CardSet.of(cards))


def _name(cards: Iterable[model.PciAddress]) -> str:
    return '+'.join(map(str, sorted(cards)))


def _not_joined(
    name: str, instance: str, found: str, remedy: str
) -> exception.PrepareFailed:
    return exception.PrepareFailed(
        name,
        wanted=f'its partition of NVSwitches for instance {instance}',
        found=found,
        remedy=remedy,
    )


def _not_parted(name: str, found: str) -> exception.ReleaseFailed:
    return exception.ReleaseFailed(
        name,
        wanted='to deactivate its partition of NVSwitches',
        found=found,
        remedy='it is tried again',
    )
