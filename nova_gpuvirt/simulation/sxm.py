"""NVIDIA's driver with a GPU that sits on a board with NVSwitches."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation.drivers import pf_driver


class Running(pf_driver.Running):
    """The driver that has the GPU: it shows no files beside the kernel's.

    :ivar module: the GPU's place on the board
    """

    def __init__(self, pf: pf_driver.Pf, gpu: Sxm) -> None:
        super().__init__(pf)
        self.module = gpu.module
        self._blackwell = gpu.blackwell

    def query(self) -> str:
        """Print what ``nvidia-smi -q`` does of it, as far as it is asked."""
        return (
            f'GPU {self.pf.address}\n'
            f'    GPU UUID                              : '
            f'GPU-00000000-0000-0000-0000-{self.module:012d}\n'
            f'{self._place()}'
            '    GPU Recovery Action                   : None\n'
            '    Fabric\n'
            '        State                             : Completed\n'
            '        Status                            : Success\n'
        )

    def _place(self) -> str:
        if self._blackwell:
            return (
                '    Platform Info\n'
                '        Peer Type                         : '
                'Switch Connected\n'
                f'        Module Id                         : {self.module}\n'
            )
        return f'    Module ID                             : {self.module}\n'


@dataclasses.dataclass(frozen=True, slots=True)
class Sxm(pf_driver.PfDriver):
    """A GPU at a place of the board.

    :param blackwell: whether nvidia-smi tells the place as it does of B200,
        below ``Platform Info``, as users have shown
    """

    module: int
    blackwell: bool = False

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the GPU."""
        return Running(pf, self)
