"""Faults of a simulated host that a test asks for."""

from __future__ import annotations

import dataclasses
import fnmatch

from nova_gpuvirt.simulation.files.refusal import refusal


@dataclasses.dataclass(slots=True)
class _Fault:
    glob: str
    number: int
    times: int


class Faults:
    """The writes and commands that are to fail, before they do anything."""

    def __init__(self) -> None:
        self._pending: list[_Fault] = []

    def add(self, glob: str, number: int, times: int) -> None:
        """Let what matches a glob fail with an errno, so many times."""
        self._pending.append(_Fault(glob, number, times))

    def strike(self, *names: str) -> None:
        """Fail what has one of these names, if that was asked for.

        :raises OSError: what was asked for
        """
        for fault in self._pending:
            if any(fnmatch.fnmatchcase(n, fault.glob) for n in names):
                fault.times -= 1
                if fault.times < 1:
                    self._pending.remove(fault)
                raise refusal(fault.number, 'as asked for by fail')
