"""What a vendor's driver adds to a PF and its VFs, and takes in writes.

A `PfDriver` is a part of a host's description. While the driver has its
function, a `Running` stands for it: it tells which files there are now, is
asked when one of them is written, and asked again for its files afterwards.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file that a driver shows.

    :param path: relative to the host's root, without symlinks
    :param text: None for a file that can't be read now; it fails with ELOOP
        in place of what the real one answers
    """

    path: str
    text: str | None
    mode: int = 0o444


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A symlink that a driver shows.

    :param target: relative to the host's root, without symlinks
    """

    path: str
    target: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pf:
    """What a driver sees of its function and of the host.

    :ivar address: of the function
    :ivar vfs: the VFs that are enabled now, in order of their number
    :ivar place: gives the directory of a function, relative to the root
    :ivar has: tells whether the driver has a function, such as a VF
    :ivar held: what processes have open now: functions and mdevs
    :ivar runs: tells whether a process of that name runs
    """

    address: str
    vfs: Sequence[str]
    place: Callable[[str], str]
    has: Callable[[str], bool]
    held: Collection[str]
    runs: Callable[[str], bool]


class Running(abc.ABC):
    """A driver that has a PF."""

    def __init__(self, pf: Pf) -> None:
        self.pf = pf

    @abc.abstractmethod
    def files(self) -> Iterator[File | Link]:
        """Give all files that the driver shows now."""

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of its files does.

        :raises OSError: what the driver says
        :raises NotImplementedError: when the file's effect is not simulated
        """
        raise NotImplementedError(f'a write to {path} is not simulated')

    def opened(self, vf: str) -> None:  # noqa: B027
        """Let a process open a VF.

        :raises OSError: what the driver says
        """

    def enabled(self) -> None:  # noqa: B027
        """Take note that the PF has other VFs than before."""


class PfDriver(abc.ABC):
    """How a vendor's driver runs a card with VFs."""

    @abc.abstractmethod
    def start(self, pf: Pf) -> Running:
        """Let the driver have a function."""
