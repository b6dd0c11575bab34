"""What a host's /proc says: its processor, its kernel, who runs, who holds.

Sources: proc(5), and the lines that a real kernel printed.
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.kernel import iommu

_FIRST_PID = 1000
_QEMU = 'qemu-system-x86'


class Processes:
    """The processes of a host: its daemons, and QEMUs that hold devices."""

    def __init__(self, place: folder.Folder, host: description.Host) -> None:
        self._folder = place
        self._host = host
        self._pids = iommu.Numbers(range(_FIRST_PID))
        self._daemons: dict[str, int] = {}
        self._holders: dict[str, int] = {}

    def write(self) -> None:
        """Write what a host has after its start."""
        bits = self._host.physical_bits
        self._folder.file(
            'proc/cpuinfo',
            f'processor\t: 0\naddress sizes\t: {bits} bits physical, '
            '48 bits virtual\n',
            0o444,
        )
        self._folder.file(
            'proc/sys/kernel/osrelease', f'{self._host.kernel}\n', 0o444
        )
        for name in self._host.processes:
            self._daemons[name] = self._start(name)

    def runs(self, name: str) -> bool:
        """Tell whether a daemon runs."""
        return name in self._daemons

    def end(self, name: str) -> None:
        """End a daemon."""
        self._end(self._daemons.pop(name))

    def open(self, device: str, node: str) -> None:
        """Let a new QEMU open a device.

        :param node: absolute, below ``/dev``
        """
        pid = self._start(_QEMU)
        self._holders[device] = pid
        self._folder.link_text(f'proc/{pid}/fd/31', node)

    def close(self, device: str) -> None:
        """Let the QEMU end that has a device; none is no error."""
        pid = self._holders.pop(device, None)
        if pid is not None:
            self._end(pid)

    def _start(self, name: str) -> int:
        pid = self._pids.take()
        # The kernel keeps 15 characters (TASK_COMM_LEN).
        self._folder.file(f'proc/{pid}/comm', f'{name[:15]}\n', 0o644)
        return pid

    def _end(self, pid: int) -> None:
        self._folder.remove(f'proc/{pid}')
        self._pids.release(pid)
