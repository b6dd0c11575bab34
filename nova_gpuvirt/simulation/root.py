"""The root of a simulated host, and its commands."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import function_resets
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import unbind_lock
from nova_gpuvirt.simulation import simulated

_DEVICES = '/sys/bus/pci/devices'
_MDEVS = '/sys/bus/mdev/devices'


class Root(root_changes.RootChanges):
    """The root of a simulated host.

    It reads what root reads, and what it writes the simulated kernel takes.
    `run` is no root's: it asks as nova-compute does. Both are bounded as those
    of a real host are.

    :param reset_seconds: how long it waits for a reset
    """

    def __init__(
        self,
        host: simulated.SimulatedHost,
        reset_seconds: float = function_resets.SECONDS,
    ) -> None:
        super().__init__(
            files.OnDisk(host.root),
            lambda path, text: host.write(f'/{path}', text),
            commands.Commands(functools.partial(_Process, host, as_root=True)),
        )
        self._host = host
        self.run: commands.Run = commands.Commands(
            functools.partial(_Process, host, as_root=False)
        )
        self._resets = function_resets.FunctionResets(
            lambda address: host.config_space(str(address)),
            lambda address: host.write(f'{_DEVICES}/{address}/reset', '1'),
            lambda addresses: host.reset_bus([str(a) for a in addresses]),
            reset_seconds,
        )

    def read(self, address: str, name: str) -> str:
        """Read a file of a function that only root may read."""
        parsed = model.PciAddress.parse(address)
        return rootonly.read(self._files, parsed, name)

    def set_vgpu_type(self, address: str, number: int) -> None:
        """Make a vGPU of a type on a VF, or take it away with 0."""
        path = f'{_DEVICES}/{address}/nvidia/current_vgpu_type'
        self._host.write(path, f'{number}\n')

    def set_vgpu_place(
        self, device: str, gpu_instance: int | None, placement: int
    ) -> None:
        """Move a vGPU within the memory of its card."""
        bus = _DEVICES if '.' in device else _MDEVS
        folder = f'{bus}/{device}/nvidia'
        if gpu_instance is not None:
            self._host.write(f'{folder}/gpu_instance_id', f'{gpu_instance}\n')
        self._host.write(f'{folder}/placement_id', f'{placement}\n')

    def openers(self, address: str) -> Sequence[int]:
        """List the processes that have a function open through VFIO."""
        parsed = model.PciAddress.parse(address)
        return rootonly.openers(self._files, parsed)

    def gpu_instances(self, address: str) -> str:
        """List the GPU instances of a card, as root."""
        parsed = model.PciAddress.parse(address)
        return rootonly.gpu_instances(self._run_as_root, parsed)

    def gpu_instance_profiles(self, address: str) -> str:
        """List what GPU instances a card can have, as root."""
        parsed = model.PciAddress.parse(address)
        return rootonly.gpu_instance_profiles(self._run_as_root, parsed)

    def card_openers(
        self, addresses: Sequence[str], caller: int
    ) -> Sequence[card_openers.Found]:
        """List the processes that have cards open."""
        cards = [model.PciAddress.parse(address) for address in addresses]
        return card_openers.find(self._files, cards, caller)

    def kernel_log(self, start: int | None) -> kmsg.Found:
        """Read what the kernel's log tells of GPUs, from there on."""
        return kmsg.read(self._host.log.records, start)

    def hold_unbind_lock(self, address: str, wanted: bool) -> bool:
        """Ask for NVIDIA's lock of a card, or give it back."""
        path = f'/proc/driver/nvidia/gpus/{address}/unbindLock'
        self._host.write(path, f'{int(wanted)}\n')
        parsed = model.PciAddress.parse(address)
        return unbind_lock.is_held(self._files, parsed)

    def config_space(self, address: str) -> bytes:
        """Read a function's configuration space, as far as root sees it."""
        return self._resets.config_space(address)

    def reset_function(self, address: str) -> None:
        """Reset a function by itself."""
        self._resets.reset_function(address)

    def reset_bus(self, addresses: Sequence[str]) -> None:
        """Reset functions with VFIO by the bus that they are on."""
        self._resets.reset_bus(addresses)


class _Process:
    """A process of a simulated host, which has no time: it ends or hangs.

    :raises OSError: without such a command
    """

    pid = 4711

    def __init__(
        self,
        host: simulated.SimulatedHost,
        argv: Sequence[str],
        *,
        as_root: bool,
    ) -> None:
        self._host = host
        self._argv = argv
        self._output = ''
        self.returncode: int | None = None
        if host.hangs(argv[0]):
            return
        try:
            self._output = host.run(argv, as_root=as_root)
            self.returncode = 0
        except subprocess.CalledProcessError as error:
            self._output = error.output or ''
            self.returncode = error.returncode

    def communicate(self, *, timeout: float | None) -> tuple[str, str]:
        """Give what it printed.

        :raises subprocess.TimeoutExpired: at once, when it hangs
        """
        if self.poll() is None:
            raise subprocess.TimeoutExpired(self._argv, timeout or 0)
        return self._output, ''

    def poll(self) -> int | None:
        """Tell whether it has ended; one that hung dies when it wakes."""
        if self.returncode is None and not self._host.hangs(self._argv[0]):
            self.returncode = -9
        return self.returncode

    def kill(self) -> None:
        """Let it die as soon as it does not hang any more."""
