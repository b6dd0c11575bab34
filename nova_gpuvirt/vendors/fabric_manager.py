"""NVIDIA's Fabric Manager, through its command ``fmpm``.

``fmpm`` (NVIDIA/Fabric-Manager-Client) lists, activates and deactivates the
partitions of a host's NVSwitches. Fabric Manager runs on the host, or in a
service VM that has the NVSwitches.
"""

from __future__ import annotations

import dataclasses
import json

from nova_gpuvirt import model
from nova_gpuvirt.host import commands


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A GPU of a partition.

    `module` is its number on the board, what nvidia-smi calls Module Id; it
    is not the order of PCI. `uuid` and `address` are None where Fabric
    Manager can't see the GPU.
    """

    module: int
    uuid: str | None = None
    address: model.PciAddress | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Partition:
    """GPUs that NVSwitches can join, apart from all others."""

    number: int
    active: bool
    members: tuple[Member, ...]

    @property
    def modules(self) -> frozenset[int]:
        """The numbers of its cards on the board."""
        return frozenset(m.module for m in self.members)


class FabricManager:
    """Fabric Manager's list of partitions, and its orders.

    :param where: an address, or the path of a socket; empty for this host
    """

    def __init__(self, run: commands.Run, where: str = '') -> None:
        self._run = run
        self._where: tuple[str, ...] = ()
        if where.startswith('/'):
            self._where = '--unix-domain-socket', where
        elif where:
            self._where = '--hostname', where

    def partitions(self) -> tuple[Partition, ...]:
        """List the partitions.

        :raises CommandFailed: when there is no answer, or none that makes
            sense
        """
        text = self._run(('fmpm', '-l', *self._where))
        try:
            return parse(text)
        except (KeyError, TypeError, ValueError) as error:
            raise commands.CommandFailed(
                f'fmpm -l: its answer makes no sense: {error!r}'
            ) from error

    def activate(self, number: int) -> None:
        """Join the GPUs of a partition.

        :raises CommandFailed: when Fabric Manager refuses
        """
        self._run(('fmpm', '-a', str(number), *self._where))

    def deactivate(self, number: int) -> None:
        """Part the GPUs of a partition.

        :raises CommandFailed: when Fabric Manager refuses
        """
        self._run(('fmpm', '-d', str(number), *self._where))


def parse(text: str) -> tuple[Partition, ...]:
    """Read what ``fmpm -l`` prints.

    :raises KeyError, TypeError, ValueError: for anything else
    """
    return tuple(
        Partition(
            int(partition['partitionId']),
            bool(partition['isActive']),
            tuple(_member(gpu) for gpu in partition['gpuInfo']),
        )
        for partition in json.loads(text)['partitionInfo']
    )


def _member(gpu: dict[str, str | int]) -> Member:
    """Read one GPU; what Fabric Manager can't see is empty, or all zeros."""
    address = str(gpu.get('pciBusId') or '')
    seen = address.strip('0:.') != ''
    return Member(
        int(gpu['physicalId']),
        str(gpu.get('uuid') or '') or None,
        model.PciAddress.parse(address) if seen else None,
    )
