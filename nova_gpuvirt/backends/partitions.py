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
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import nvidia_smi

LOG = logging.getLogger(__name__)

_REMEDY = (
    'see that nvidia-fabricmanager runs with FABRIC_MODE=1 and that fmpm is '
    'installed'
)

Cards = frozenset[model.PciAddress]


class Partitions:
    """What Fabric Manager said last, and the orders to it.

    It is asked outside of Nova's locks: in `refresh`, and when a guest's
    cards are joined or parted.
    """

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self._manager = fabric_manager.FabricManager(
            machine.run, machine.fabric_manager
        )
        self._modules = nvidia_smi.Modules(machine.run, machine.gpu_modules)
        self._last: tuple[fabric_manager.Partition, ...] | None = None
        self._switched: bool | None = None
        self._failure = 'Fabric Manager was not asked yet'

    def view(self, gpus: Iterable[model.Gpu]) -> topology.Partitions | None:
        """Tell what is known, None for a host without NVSwitches."""
        if not self._has_switches():
            return None
        if self._last is None:
            return topology.Partitions(
                refusal='its NVSwitches need Fabric Manager, and '
                f'{self._failure}; {_REMEDY}'
            )
        known = [
            (cards, partition.active)
            for partition in self._last
            if (cards := self._cards(partition)) is not None
        ]
        return topology.Partitions(
            frozenset(cards for cards, _ in known),
            frozenset(cards for cards, active in known if active),
            untold=self._untold(gpus),
        )

    def refresh(self, gpus: Iterable[model.Gpu]) -> None:
        """Ask again which cards are where, and which are joined."""
        self._switched = None
        if not self._has_switches():
            return
        for gpu in gpus:
            if _is_nvidia(gpu) and isinstance(gpu.address, model.PciAddress):
                self._learn(gpu.address)
        try:
            self._ask()
        except commands.CommandFailed as error:
            self._last = None
            self._failure = str(error)

    def prepare(
        self, cards: Collection[model.PciAddress], instance: str
    ) -> bool:
        """Join the cards of a guest, apart from all others.

        One card alone is let go without, where Fabric Manager has no say:
        it works with its NVLinks off.

        :returns: whether anything had to be done
        :raises PrepareFailed: when they can't be joined
        """
        if not self._concerns(cards):
            return False
        name = _name(cards)
        try:
            partition = self._find(cards)
        except commands.CommandFailed as error:
            if len(cards) == 1:
                LOG.warning(
                    '%s goes to instance %s without a partition: %s; its '
                    'guest may have to switch NVLink off',
                    *(name, instance, error),
                )
                return False
            raise _not_joined(name, instance, str(error), _REMEDY) from error
        if partition.active:
            return False
        self._refuse_overlap(partition, name, instance)
        try:
            self._manager.activate(partition.number)
            done = self._again(partition)
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
        if not self._concerns(cards) or self._never_answered():
            return
        name = _name(cards)
        try:
            partition = self._find(cards)
        except _NoSuch:
            return  # it was given without one
        except commands.CommandFailed as error:
            raise _not_parted(name, str(error)) from error
        if not partition.active:
            return
        opener = self._opener(cards)
        if opener is not None:
            raise _not_parted(name, f'that {opener} has it')
        try:
            self._manager.deactivate(partition.number)
            left = self._again(partition)
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
        for partition in self._last or ():
            cards = self._cards(partition) if partition.active else None
            if not cards or not cards <= ours:
                continue
            slot = _slot(cards)
            if slot not in claimed and self._opener(cards) is None:
                name = f'partition {partition.number} of Fabric Manager'
                found.append(base.Leftover(name, slot))
        return tuple(found)

    def _has_switches(self) -> bool:
        if self._switched is None:
            self._switched = bool(
                self._machine.fabric_manager
                or discovery.nvswitches(self._machine.sysfs)
            )
        return self._switched

    def _never_answered(self) -> bool:
        """Tell whether Fabric Manager is a thing that this host has not."""
        if self._last is None:
            try:
                self._ask()
            except commands.CommandFailed:
                return True
        return False

    def _concerns(self, cards: Iterable[model.PciAddress]) -> bool:
        """Tell whether NVSwitches join these cards."""
        sysfs = self._machine.sysfs
        return self._has_switches() and all(
            sysfs.read_if_there(card, 'vendor') == f'{model.NVIDIA:#06x}'
            for card in cards
        )

    def _learn(self, card: model.PciAddress) -> None:
        """Ask where a card is, while NVIDIA's driver has it."""
        driver = self._machine.sysfs.link(card, 'driver')
        self._modules.learn(card, driver)

    def _ask(self) -> tuple[fabric_manager.Partition, ...]:
        self._last = self._manager.partitions()
        return self._last

    def _cards(self, partition: fabric_manager.Partition) -> Cards | None:
        """Tell the cards of a partition, None where one is not known."""
        cards = [self._modules.card(member) for member in partition.members]
        known = frozenset(card for card in cards if card is not None)
        return known if len(known) == len(cards) else None

    def _find(
        self, cards: Collection[model.PciAddress]
    ) -> fabric_manager.Partition:
        """Find the partition that is just these cards.

        :raises CommandFailed: without an answer, or without such a partition
        """
        for card in cards:
            self._learn(card)
        for partition in self._ask():
            if self._cards(partition) == frozenset(cards):
                return partition
        reasons = [why for c in cards if (why := self._modules.why_not(c))]
        raise _NoSuch('; '.join(reasons) or 'no partition of just these cards')

    def _untold(
        self, gpus: Iterable[model.Gpu]
    ) -> dict[model.PciAddress, str]:
        """Say of which cards the place is not known, and why."""
        seen = {m.address for p in self._last or () for m in p.members}
        return {
            gpu.address: reason
            for gpu in gpus
            if _is_nvidia(gpu)
            and isinstance(gpu.address, model.PciAddress)
            and gpu.address not in seen
            and (reason := self._modules.why_not(gpu.address)) is not None
        }

    def _again(
        self, partition: fabric_manager.Partition
    ) -> fabric_manager.Partition:
        for found in self._ask():
            if found.number == partition.number:
                return found
        raise commands.CommandFailed(f'partition {partition.number} is gone')

    def _refuse_overlap(
        self,
        partition: fabric_manager.Partition,
        name: str,
        instance: str,
    ) -> None:
        for other in self._last or ():
            if other.active and other.modules & partition.modules:
                raise _not_joined(
                    name,
                    instance,
                    f'partition {other.number} active, which shares cards '
                    f'with partition {partition.number}',
                    'it is deactivated with a periodic update, if nothing '
                    f'uses it; else see who does: fmpm -d {other.number}',
                )

    def _opener(self, cards: Iterable[model.PciAddress]) -> str | None:
        """Tell what has one of the cards open."""
        for card in cards:
            try:
                opener = self._machine.opener(card)
            except FileNotFoundError:
                continue  # it is not on VFIO, or gone
            except OSError as error:
                raise _not_parted(
                    str(card), f'no answer who has it: {error}'
                ) from error
            if opener is not None:
                return opener
        return None


class _NoSuch(commands.CommandFailed):
    """Fabric Manager answered, and has no such partition."""


def _is_nvidia(gpu: model.Gpu) -> bool:
    return gpu.function is not None and gpu.function.vendor_id == model.NVIDIA


def _slot(cards: Cards) -> model.Slot:
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
        remedy='it is tried again with each periodic update',
    )
