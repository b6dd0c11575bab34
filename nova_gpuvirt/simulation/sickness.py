"""The ways in which a card of a simulated host falls sick, and recovers."""

from __future__ import annotations

import os
import pathlib
import re

from nova_gpuvirt.simulation import faults
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.kernel import resets

_TOTALS = {'fatal': 'TOTAL_ERR_FATAL', 'nonfatal': 'TOTAL_ERR_NONFATAL'}


class Sickness:
    """What is wrong with one card of a host.

    `heal` ends it. A reboot does too, but for what commands say.
    """

    def __init__(self, host: simulated.SimulatedHost, address: str) -> None:
        self._host = host
        self._address = address
        self._nodes: list[pathlib.Path] = []
        self._complaints: list[faults.Complaint] = []
        self._illness = resets.Illness()

    def answer_with_ones(self) -> None:
        """Fall off the bus, without a word."""
        ones = b'\xff' * len(self._place('config').read_bytes())
        self._host.break_file(self._address, 'config', ones)

    def count(self, kind: str, more: int = 1, at: str | None = None) -> None:
        """Count errors of PCI Express.

        :param kind: ``fatal`` or ``nonfatal``
        :param at: the function that counts them, the card itself by default
        """
        address = at or self._address
        name = f'aer_dev_{kind}'
        text = self._place(name, address).read_text()
        head, total, count = text.rstrip().rpartition(f'{_TOTALS[kind]} ')
        text = f'{head}{total}{int(count) + more}\n'
        self._host.break_file(address, name, text)

    def lose_node(self) -> None:
        """Lose the node by which processes open it through VFIO."""
        for name in os.listdir(self._place('vfio-dev')):
            node = self._host.root / 'dev/vfio/devices' / name
            node.unlink()
            self._nodes.append(node)

    def say(self, text: str) -> None:
        """Let the kernel say something of it; ``{}`` is its address."""
        self._host.log.say(text.replace('{}', self._address))

    def complain(self, key: str, value: str) -> None:
        """Let ``nvidia-smi -q`` show another value of a key."""
        self._complain(
            faults.Complaint(
                f'nvidia-smi -q -i {self._address}',
                rf'\g<key>{value}',
                rf'(?P<key>^ *{re.escape(key)} *: ).*$',
            )
        )

    def be_lost(self, why: str = 'GPU is lost') -> None:
        """Let ``nvidia-smi`` fail, since the driver can't reach it."""
        self._complain(
            faults.Complaint(
                f'nvidia-smi *{self._address}*',
                'Unable to determine the device handle for GPU '
                f'{self._address}: {why}.  Reboot the system to recover this '
                'GPU',
                code=15,
            )
        )

    def reset_fails(self, number: int) -> None:
        """Let each reset of it fail.

        :param number: the errno
        """
        self._illness.number = number
        self._spoil()

    def reset_hangs(self) -> None:
        """Let the kernel wait in each reset of it, until it is healed."""
        self._illness.hangs = True
        self._spoil()

    def reset_breaks(self, what: str) -> None:
        """Let each reset of it leave something broken.

        :param what: ``config``, which answers with ones then; ``bars``, of
            which one loses its address; ``capabilities``, whose chain is cut;
            ``error``, one of PCI Express that is counted
        """
        self._illness.breaks.add(what)
        self._spoil()

    def reset_loses_driver(self) -> None:
        """Let its own driver fail to probe it after the next reset."""
        self._illness.loses_driver = True
        self._spoil()

    def heal(self) -> None:
        """Let it be as before; what was counted and said stays."""
        self._illness = resets.Illness()
        self._host.mend_resets(self._address)
        while self._nodes:
            self._nodes.pop().touch(0o600)
        while self._complaints:
            self._host.faults.complaints.remove(self._complaints.pop())

    def _spoil(self) -> None:
        self._host.spoil_resets(self._address, self._illness)

    def _complain(self, complaint: faults.Complaint) -> None:
        self._complaints.append(complaint)
        self._host.faults.complaints.append(complaint)

    def _place(self, name: str, address: str | None = None) -> pathlib.Path:
        folder = self._host.root / 'sys/bus/pci/devices'
        return folder / (address or self._address) / name
