"""NVIDIA's Fabric Manager and its command ``fmpm`` on a simulated host.

What is printed, and the numbers of errors, are those of
NVIDIA/Fabric-Manager-Client and of ``nv_fm_types.h``. That an overlapping
partition is refused as one in use, and which number a partition gets that is
not active, is as users of such hosts tell; both are unverified.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.simulation.drivers import pf_driver

DAEMON = 'nv-fabricmanager'
# The default of HGX boards with eight H100: by number, the places of GPUs.
# Sizes and numbers are as users show them; which two make a pair is
# unverified.
DEFAULT = (
    (1, 2, 3, 4, 5, 6, 7, 8),
    (1, 2, 3, 4),
    (5, 6, 7, 8),
    (1, 3),
    (2, 4),
    (5, 7),
    (6, 8),
    *((module,) for module in range(1, 9)),
)
_BAD_PARAMETER = -1
_UNINITIALIZED = -4
_IN_USE = -7
_NO_CONNECTION = -9


class FabricManager:
    """The daemon, with what is active; a reboot of the host parts all.

    :param table: the partitions, by their numbers
    """

    def __init__(self, table: Sequence[Sequence[int]] = DEFAULT) -> None:
        self._table = table
        self._runs: Callable[[str], bool] = lambda _: False
        self.active: set[int] = set()

    def start(self, runs: Callable[[str], bool]) -> None:
        """Start with the host.

        :param runs: tells whether a daemon of that name runs
        """
        self._runs = runs
        self.active = set()

    def fmpm(
        self,
        drivers: Callable[[str], pf_driver.Running | None],
        argv: Sequence[str],
        as_root: bool,
    ) -> str:
        """Answer one call of the command, to whoever asks.

        :raises subprocess.CalledProcessError: when it fails
        """
        if not self._runs(DAEMON):
            raise _failed(
                argv,
                _NO_CONNECTION,
                'Failed to connect to Fabric Manager instance.',
            )
        match argv:
            case ['-l', *_]:
                return self._list()
            case ['-a', number, *_]:
                refusal = self._activate(int(number))
                what = 'activate'
            case ['-d', number, *_]:
                refusal = self._deactivate(int(number))
                what = 'deactivate'
            case _:
                raise NotImplementedError(f'fmpm {argv} is not simulated')
        if refusal:
            raise _failed(
                argv,
                refusal,
                f'Failed to {what} partition. fmReturn: {refusal}',
            )
        return ''

    def _activate(self, number: int) -> int:
        if number >= len(self._table):
            return _BAD_PARAMETER
        wanted = set(self._table[number])
        if any(wanted & {*self._table[other]} for other in self.active):
            return _IN_USE
        self.active.add(number)
        return 0

    def _deactivate(self, number: int) -> int:
        if number >= len(self._table):
            return _BAD_PARAMETER
        if number not in self.active:
            return _UNINITIALIZED
        self.active.remove(number)
        return 0

    def _list(self) -> str:
        partitions = [
            {
                'gpuInfo': [_gpu(m, len(modules)) for m in modules],
                'isActive': int(number in self.active),
                'numGpus': len(modules),
                'partitionId': number,
            }
            for number, modules in enumerate(self._table)
        ]
        return json.dumps(
            {
                'maxNumPartitions': len(partitions),
                'numPartitions': len(partitions),
                'partitionInfo': partitions,
                'version': 16909068,
            },
            indent=3,
        )


def _gpu(module: int, count: int) -> dict[str, int | str]:
    links = 18 if count > 1 else 0
    return {
        'maxNumNvLinks': links,
        'numNvLinksAvailable': links,
        'nvlinkLineRateMBps': 26562,
        'pciBusId': '00000000:00:00.0',
        'physicalId': module,
        'uuid': '',
    }


def _failed(
    argv: Sequence[str], number: int, text: str
) -> subprocess.CalledProcessError:
    # A process ends with the lowest eight bits of what main returns.
    return subprocess.CalledProcessError(
        number & 0xFF, ('fmpm', *argv), output=text
    )
