"""Faults of a simulated host that a test asks for."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import subprocess
from collections.abc import Sequence

from nova_gpuvirt.simulation.files.refusal import refusal

_NOTHING = 0


@dataclasses.dataclass(slots=True)
class _Fault:
    glob: str
    number: int
    times: int


@dataclasses.dataclass(frozen=True, slots=True)
class Complaint:
    """What a command says of a card that is sick.

    :param glob: which command, with all its words
    :param old: a pattern of lines that it prints, in whose place `new` is
    :param code: what it ends with instead, when it prints nothing but `new`
    """

    glob: str
    new: str
    old: str = ''
    code: int = 0


class Faults:
    """The writes and commands that fail or do nothing, before their effect.

    :ivar complaints: what commands say instead, for as long as it is here
    """

    def __init__(self) -> None:
        self._pending: list[_Fault] = []
        self.complaints: list[Complaint] = []

    def add(self, glob: str, number: int, times: int) -> None:
        """Let what matches a glob fail with an errno, so many times."""
        self._pending.append(_Fault(glob, number, times))

    def ignore(self, glob: str, times: int) -> None:
        """Let what matches a glob end well and do nothing, so many times."""
        self._pending.append(_Fault(glob, _NOTHING, times))

    def strike(self, *names: str) -> bool:
        """Fail what has one of these names, if that was asked for.

        :returns: whether it is to do nothing instead
        :raises OSError: what was asked for
        """
        for fault in self._pending:
            if any(fnmatch.fnmatchcase(n, fault.glob) for n in names):
                fault.times -= 1
                if fault.times < 1:
                    self._pending.remove(fault)
                if fault.number == _NOTHING:
                    return True
                raise refusal(fault.number, 'as asked for by fail')
        return False

    def heard(self, argv: Sequence[str], output: str) -> str:
        """Give what a command prints, changed by the complaints.

        :raises subprocess.CalledProcessError: when it fails instead
        """
        words = ' '.join(argv)
        for complaint in self.complaints:
            if not fnmatch.fnmatchcase(words, complaint.glob):
                continue
            if complaint.code:
                raise subprocess.CalledProcessError(
                    complaint.code, argv, complaint.new
                )
            output = re.sub(complaint.old, complaint.new, output, flags=re.M)
        return output
