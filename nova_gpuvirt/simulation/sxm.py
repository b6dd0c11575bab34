"""NVIDIA's driver with a GPU that sits on a board with NVSwitches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nova_gpuvirt.simulation.drivers import pf_driver


class Running(pf_driver.Running):
    """The driver that has the GPU: it shows no files beside the kernel's.

    :ivar module: the GPU's place on the board
    """

    def __init__(self, pf: pf_driver.Pf, module: int) -> None:
        super().__init__(pf)
        self.module = module

    def files(self) -> Iterator[pf_driver.File | pf_driver.Link]:
        """Give none."""
        return iter(())

    def query(self) -> str:
        """Print what ``nvidia-smi -q`` does of it, as far as it is asked."""
        return (
            f'GPU {self.pf.address}\n'
            f'    GPU UUID                              : '
            f'GPU-00000000-0000-0000-0000-{self.module:012d}\n'
            f'    Module ID                             : {self.module}\n'
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Sxm(pf_driver.PfDriver):
    """A GPU at a place of the board."""

    module: int

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the GPU."""
        return Running(pf, self.module)
