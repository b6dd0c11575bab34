"""NVIDIA's Fabric Manager, through its command ``fmpm``.

``fmpm`` (NVIDIA/Fabric-Manager-Client) lists, activates and deactivates the
partitions of a host's NVSwitches. Fabric Manager runs on the host, or in a
service VM that has the NVSwitches.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TypeVar

from nova_gpuvirt import model
from nova_gpuvirt.host import commands

_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A GPU of a partition.

    `module` is its number, ``physicalId``: from H100 on what nvidia-smi calls
    Module Id, and never the order of PCI. `uuid` and `address` are None where
    Fabric Manager can't see the GPU.
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
        """The numbers of its cards."""
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
        except ValueError as error:
            raise commands.CommandFailed(
                f'fmpm -l: its answer makes no sense: {error}'
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

    :raises ValueError: for anything else
    """
    try:
        answer = json.loads(text)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    return tuple(
        Partition(
            _take(partition, 'partitionId', int),
            bool(_take(partition, 'isActive', int)),
            tuple(_member(gpu) for gpu in _take(partition, 'gpuInfo', list)),
        )
        for partition in _take(answer, 'partitionInfo', list)
    )


def _member(gpu: object) -> Member:
    """Read one GPU; what Fabric Manager can't see is empty, or all zeros."""
    address = _take(gpu, 'pciBusId', str, '')
    seen = address.strip('0:.') != ''
    return Member(
        _take(gpu, 'physicalId', int),
        _take(gpu, 'uuid', str, '') or None,
        model.PciAddress.parse(address) if seen else None,
    )


def _take(
    found: object, key: str, kind: type[_T], default: _T | None = None
) -> _T:
    """Take the value of a key, of a kind.

    :raises ValueError: where there is none, and no default
    """
    value = found.get(key) if isinstance(found, dict) else None
    if value is None:
        value = default
    if not isinstance(value, kind):
        raise ValueError(f'no {kind.__name__} as {key} in {str(found)[:80]}')
    return value
