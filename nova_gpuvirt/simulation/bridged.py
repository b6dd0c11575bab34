"""NVIDIA's driver with a GPU that an NVLink bridge joins with another.

What ``nvidia-smi nvlink -R`` prints is as users of two bridged H100 PCIe have
shown. That the links are not told while the other GPU has no NVIDIA driver,
as in a guest, is a guess.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import pf_driver


class Running(pf_driver.Running):
    """The driver that has the GPU: it shows no files beside the kernel's.

    :ivar peer: the address of the GPU on the other side of the bridge
    """

    def __init__(self, pf: pf_driver.Pf, gpu: Bridged) -> None:
        super().__init__(pf)
        self.peer = gpu.peer
        self._links = gpu.links

    def links(self, *, has_peer: bool) -> str:
        """Print what ``nvidia-smi nvlink -R`` does.

        :param has_peer: whether NVIDIA's driver has the other GPU too
        """
        peer = nvidia.long_address(self.peer)
        lines = ['GPU 0: NVIDIA H100 NVL (UUID: GPU-0)\n']
        lines += (
            f'\t Link {n}: Remote Device {peer}: Link {n}\n'
            for n in range(self._links if has_peer else 0)
        )
        return ''.join(lines)


@dataclasses.dataclass(frozen=True, slots=True)
class Bridged(pf_driver.PfDriver):
    """A GPU with a bridge.

    :param peer: the address of the other GPU
    :param links: how many NVLinks there are
    """

    peer: str
    links: int = 12

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the GPU."""
        return Running(pf, self)
