"""What is known of the partitions of a host's NVSwitches."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import gpu_modules

REMEDY = (
    'see that nvidia-fabricmanager runs with FABRIC_MODE=1 and that fmpm is '
    'installed, and name in [gpuvirt]fabric_manager where it runs if it is '
    'not on this host'
)

# A100 of HGX boards, whose numbers in Fabric Manager are not their Module Ids
# (NVIDIA's DRA driver, fabric-manager-partitioning.md).
_NUMBERED = frozenset({'0x20b0', '0x20b2'})

Cards = frozenset[model.PciAddress]


class NoSuch(commands.CommandFailed):
    """Fabric Manager answered, and has no such partition."""


class PartitionList:
    """What Fabric Manager said last, and which cards it spoke of.

    It is asked outside of Nova's locks.

    :ivar manager: Fabric Manager
    :ivar last: what it said, None while it does not answer
    """

    def __init__(self, machine: machine_.Machine) -> None:
        self._machine = machine
        self.manager = fabric_manager.FabricManager(
            machine.run, machine.fabric_manager
        )
        self._modules = gpu_modules.GpuModules(
            machine.ask, machine.gpu_modules
        )
        self.last: tuple[fabric_manager.Partition, ...] | None = None
        self._has_answered = False
        self._switched: bool | None = None
        self._failure = 'Fabric Manager was not asked yet'

    def view(self, gpus: Iterable[model.Gpu]) -> topology.Partitions | None:
        """Tell what is known, None for a host without NVSwitches."""
        if not self.has_switches():
            return None
        if self.last is None:
            return topology.Partitions(
                refusal='its NVSwitches need Fabric Manager, and '
                f'{self._failure}; {REMEDY}'
            )
        known = [
            (cards, partition.active)
            for partition in self.last
            if (cards := self.cards(partition)) is not None
        ]
        return topology.Partitions(
            frozenset(cards for cards, _ in known),
            frozenset(cards for cards, active in known if active),
            untold=self._untold(gpus),
        )

    def refresh(self, gpus: Iterable[model.Gpu]) -> None:
        """Ask again which cards are where, and which are joined."""
        self._switched = None
        if not self.has_switches():
            return
        for gpu in gpus:
            if gpu.is_nvidia and isinstance(gpu.address, model.PciAddress):
                self._learn(gpu.address)
        try:
            self.ask()
        except commands.CommandFailed as error:
            self.last = None
            self._failure = str(error)

    def has_switches(self) -> bool:
        """Tell whether NVSwitches join cards of this host."""
        if self._switched is None:
            self._switched = bool(
                self._machine.fabric_manager
                or discovery.has_nvswitches(self._machine.sysfs)
            )
        return self._switched

    def may_have_none(
        self, cards: Collection[model.PciAddress], error: Exception
    ) -> bool:
        """Tell whether a set may have been given without a partition.

        Before B200 was known for its NVSwitches, sets of it were by nearness,
        and a guest that has all of them may run Fabric Manager itself.

        :param error: why the partition of these cards was not found
        """
        machine = self._machine
        if machine.fabric_manager or discovery.has_nvswitches(
            machine.sysfs, on_pci=True
        ):
            return False
        if not isinstance(error, NoSuch):
            return not self._has_answered
        return not any(self._modules.why_not(card) for card in cards)

    def never_answered(self) -> bool:
        """Tell whether this host has no Fabric Manager, as far as is known."""
        if not self._has_answered:
            with contextlib.suppress(commands.CommandFailed):
                self.ask()
        return not self._has_answered

    def ask(self) -> tuple[fabric_manager.Partition, ...]:
        """Ask Fabric Manager now.

        :raises CommandFailed: without an answer
        """
        self.last = self.manager.partitions()
        self._has_answered = True
        return self.last

    def cards(self, partition: fabric_manager.Partition) -> Cards | None:
        """Tell the cards of a partition, None where one is not known."""
        cards = [self._modules.card(member) for member in partition.members]
        known = frozenset(card for card in cards if card is not None)
        return known if len(known) == len(cards) else None

    def find(
        self, cards: Collection[model.PciAddress]
    ) -> fabric_manager.Partition:
        """Find the partition that is just these cards.

        :raises CommandFailed: without an answer, or without such a partition
        """
        for card in cards:
            self._learn(card)
        for partition in self.ask():
            if self.cards(partition) == frozenset(cards):
                return partition
        reasons = [why for c in cards if (why := self._modules.why_not(c))]
        raise NoSuch('; '.join(reasons) or 'no partition of just these cards')

    def again(
        self, partition: fabric_manager.Partition
    ) -> fabric_manager.Partition:
        """Look at a partition once more.

        :raises CommandFailed: without an answer, or where it is gone
        """
        for found in self.ask():
            if found.number == partition.number:
                return found
        raise commands.CommandFailed(f'partition {partition.number} is gone')

    def _untold(
        self, gpus: Iterable[model.Gpu]
    ) -> dict[model.PciAddress, str]:
        """Say of which cards the place is not known, and why."""
        seen = {m.address for p in self.last or () for m in p.members}
        return {
            gpu.address: reason
            for gpu in gpus
            if gpu.is_nvidia
            and isinstance(gpu.address, model.PciAddress)
            and gpu.address not in seen
            and (reason := self._modules.why_not(gpu.address)) is not None
        }

    def _learn(self, card: model.PciAddress) -> None:
        """Ask where a card is, while NVIDIA's driver has it."""
        sysfs = self._machine.sysfs
        self._modules.learn(
            card,
            sysfs.link(card, 'driver'),
            by_module=sysfs.read_if_there(card, 'device') not in _NUMBERED,
        )
