"""What a host's /proc says: its processor, its kernel, who runs, who holds.

Sources: proc(5), and the lines that a real kernel printed. The name of a
process is bytes, of which the kernel keeps 15 (TASK_COMM_LEN in
include/linux/sched.h): one process here has half a character at its end.
The kernel's own init/main.c starts kthreadd as process 2 of the host. In a PID
namespace (pid_namespaces(7)) /proc has the namespace's processes alone: Kolla
starts nova-compute so, behind dumb-init, where its libvirt has the host's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.kernel import iommu

_KTHREADD = 2
_FIRST_PID = 1000
_IN_CONTAINER = {1: 'dumb-init', 7: 'nova-compute'}
_QEMU = 'qemu-system-x86'
_CYRILLIC = 'наблюдатель'
_COMM_LENGTH = 15


class Processes:
    """The processes of a host: its daemons, and QEMUs that hold devices."""

    def __init__(self, place: folder.Folder, host: description.Host) -> None:
        self._folder = place
        self._host = host
        self._pids = iommu.Numbers(range(_FIRST_PID))
        self._daemons: dict[str, int] = {}
        self._holders: dict[str, int] = {}
        # What runs: the nodes that it has open.
        self._running: dict[int, tuple[str, ...]] = {}
        self._are_hidden = False

    def write(self) -> None:
        """Write what a host has after its start."""
        bits = self._host.physical_bits
        self._folder.file(
            'proc/cpuinfo',
            'processor\t: 0\nvendor_id\t: GenuineIntel\n'
            f'address sizes\t: {bits} bits physical, 48 bits virtual\n',
            0o444,
        )
        self._folder.file('proc/cmdline', f'{self._command_line()}\n', 0o444)
        self._folder.file(
            'proc/sys/kernel/osrelease', f'{self._host.kernel}\n', 0o444
        )
        # A random UUID (Documentation/admin-guide/sysctl/kernel.rst).
        self._folder.file(
            'proc/sys/kernel/random/boot_id', f'{uuid.uuid4()}\n', 0o444
        )
        self._folder.file(
            'proc/sys/kernel/hostname', f'{self._host.name}\n', 0o644
        )
        self._show(_KTHREADD, 'kthreadd')
        self.start(_CYRILLIC)
        for name in self._host.processes:
            self._daemons[name] = self.start(name)

    def _command_line(self) -> str:
        words = self._host.words
        if words is None:
            words = 'intel_iommu=on' if self._host.iommu else ''
        release = self._host.kernel
        return f'BOOT_IMAGE=/boot/vmlinuz-{release} root=/dev/sda2 ro {words}'

    def hide(self) -> None:
        """Show what nova-compute sees in a container of its own."""
        for pid in (_KTHREADD, *self._running):
            self._folder.remove(f'proc/{pid}')
        for pid, name in _IN_CONTAINER.items():
            self._show(pid, name)
        self._are_hidden = True

    def runs(self, name: str) -> bool:
        """Tell whether a daemon runs."""
        return name in self._daemons

    def end(self, name: str) -> None:
        """End a daemon."""
        self.stop(self._daemons.pop(name))

    def open(self, device: str, node: str) -> None:
        """Let a new QEMU open a device.

        :param node: absolute, below ``/dev``
        """
        self._holders[device] = self.start(_QEMU, node)

    def close(self, device: str) -> None:
        """Let the QEMU end that has a device; none is no error."""
        pid = self._holders.pop(device, None)
        if pid is not None:
            self.stop(pid)

    def start(self, name: str, *nodes: str, parent: int = 1) -> int:
        """Let a new process open nodes.

        :param nodes: absolute, below ``/dev``
        :returns: its number
        """
        pid = self._pids.take()
        self._running[pid] = nodes
        if not self._are_hidden:
            self._show(pid, name, nodes, parent)
        return pid

    def stop(self, pid: int) -> None:
        """Let a process end."""
        del self._running[pid]
        if not self._are_hidden:
            self._folder.remove(f'proc/{pid}')
        self._pids.release(pid)

    def have(self, node: str) -> bool:
        """Tell whether a process has a node open."""
        return any(node in nodes for nodes in self._running.values())

    def _show(
        self, pid: int, name: str, nodes: Sequence[str] = (), parent: int = 1
    ) -> None:
        comm = name.encode()[:_COMM_LENGTH]
        self._folder.file(f'proc/{pid}/comm', comm + b'\n', 0o644)
        status = b'Name:\t%s\nPid:\t%d\nPPid:\t%d\n' % (comm, pid, parent)
        self._folder.file(f'proc/{pid}/status', status, 0o444)
        for number, node in enumerate(nodes, 31):
            self._folder.link_text(f'proc/{pid}/fd/{number}', node)
