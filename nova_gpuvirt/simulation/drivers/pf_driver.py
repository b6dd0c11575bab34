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
from typing import ClassVar

from nova_gpuvirt.simulation.drivers import nvidia


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
    :ivar keeps: tells whether NVIDIA's manager keeps a VF after its guest
    :ivar vgpus: lists what the mdevs of the card are
    :ivar is_open: tells whether a process has the card's own nodes open
    :ivar set_vfs: makes all VFs, or removes them
    :ivar changed: takes note that the card is shared in another way
    """

    address: str
    vfs: Sequence[str]
    place: Callable[[str], str]
    has: Callable[[str], bool]
    held: Collection[str]
    runs: Callable[[str], bool]
    keeps: Callable[[str], bool]
    vgpus: Callable[[], Collection[object]]
    is_open: Callable[[], bool]
    set_vfs: Callable[[bool], None]
    changed: Callable[[], None]


class Running:
    """A driver that has a PF."""

    def __init__(self, pf: Pf) -> None:
        self.pf = pf

    @property
    def vgpu_memory(self) -> nvidia.Memory | None:
        """How vGPUs of NVIDIA's share the card now, None for another's."""
        return None

    def files(self) -> Iterator[File | Link]:
        """Give all files that the driver shows now beside the kernel's."""
        return iter(())

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of its files does.

        :raises OSError: what the driver says
        :raises NotImplementedError: when the file's effect is not simulated
        """
        raise NotImplementedError(f'a write to {path} is not simulated')

    def opened(self, vf: str) -> None:
        """Let a process open a VF.

        :raises OSError: what the driver says
        """

    def enabled(self) -> None:
        """Take note that the PF has other VFs than before."""


class PfDriver(abc.ABC):
    """How a vendor's driver runs a card with VFs.

    :cvar makes_vfs: whether it makes them when it is loaded, as the
        configuration of its module says
    """

    makes_vfs: ClassVar[bool] = False

    def at_load(self, vfs: int) -> PfDriver:
        """Describe the card as the driver has it when it is loaded.

        :param vfs: how many there are then
        """
        return self

    @abc.abstractmethod
    def start(self, pf: Pf) -> Running:
        """Let the driver have a function."""
