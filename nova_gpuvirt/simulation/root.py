"""The root of a simulated host: who changes it, and runs its commands."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.simulation import simulated

_DEVICES = '/sys/bus/pci/devices'


class Root:
    """The root of a simulated host.

    It reads what root reads, and what it writes the simulated kernel takes.
    """

    def __init__(self, host: simulated.SimulatedHost) -> None:
        self._host = host

    def read(self, address: str, name: str) -> str:
        """Read a file of a function that only root may read."""
        parsed = model.PciAddress.parse(address)
        return rootonly.read(self._host.root, parsed, name)

    def set_vgpu_type(self, address: str, number: int) -> None:
        """Make a vGPU of a type on a VF, or take it away with 0."""
        path = f'{_DEVICES}/{address}/nvidia/current_vgpu_type'
        self._host.write(path, f'{number}\n')

    def openers(self, address: str) -> Sequence[int]:
        """List the processes that have a function open through VFIO."""
        parsed = model.PciAddress.parse(address)
        return rootonly.openers(self._host.root, parsed)

    def run(self, argv: Sequence[str]) -> str:
        """Run a command of the host."""
        try:
            return self._host.run(argv)
        except subprocess.CalledProcessError as error:
            said = error.stderr or error.stdout or ''
            raise commands.CommandFailed(f'{error}: {said}') from error
        except OSError as error:
            raise commands.CommandFailed(f'{argv[0]}: {error}') from error
