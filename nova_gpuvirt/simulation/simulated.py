"""A simulated host, with what its processes do and what goes wrong on it.

`running` has the host itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from nova_gpuvirt.simulation import running
from nova_gpuvirt.simulation.kernel import kfd
from nova_gpuvirt.simulation.kernel import resets

# A host has thousands of files, which a disk makes ten times as slowly.
_MEMORY = '/dev/shm'
_ENOUGH = 256 << 20


def memory() -> str | None:
    """Name a folder in memory that has room for hosts, None without one."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    status = os.statvfs(_MEMORY)
    return _MEMORY if status.f_bavail * status.f_frsize > _ENOUGH else None


class SimulatedHost(running.Running):
    """A host that runs a simulated kernel, and all that befalls it."""

    def hold(self, name: str) -> None:
        """Let a process (QEMU) have a function or an mdev open.

        :raises LookupError: without such a function or mdev
        :raises OSError: what the driver says: ENODEV for a VF of NVIDIA's
            that is no vGPU
        """
        with self._lock:
            known = name in self._kernel.devices or name in self._kernel.mdevs
            if not known:
                raise LookupError(f'{name}: no such function or mdev')
            self._kernel.hold(name)

    def release_hold(self, name: str) -> None:
        """Let the process close it; nothing to close is no error."""
        with self._lock:
            self._kernel.release_hold(name)
            self._closed.notify_all()

    def held(self, name: str) -> bool:
        """Tell whether a process has it open."""
        with self._lock:
            return name in self._kernel.held

    def start(self, name: str, *nodes: str, parent: int = 1) -> int:
        """Let a new process open nodes of devices, such as ``/dev/nvidia0``.

        :returns: its number
        :raises OSError: what the driver says
        """
        with self._lock:
            return self._kernel.start_process(name, *nodes, parent=parent)

    def compute(self, name: str, address: str) -> int:
        """Let a new process compute on a card of AMD's.

        :returns: its number
        :raises LookupError: when amdgpu does not have it
        """
        with self._lock:
            pid = self._kernel.start_process(name, kfd.NODE)
            self._kernel.kfd.compute(pid, address)
            return pid

    def stop(self, pid: int) -> None:
        """Let such a process end."""
        with self._lock:
            self._kernel.stop_process(pid)
            self._closed.notify_all()

    def linger(self, seconds: float, *, removes: bool = False) -> None:
        """Let NVIDIA's manager keep a vGPU for a while after its QEMU ended.

        :param removes: whether it takes the vGPU away by itself then
        """
        with self._lock:
            self._kernel.vgpu_manager.seconds = seconds
            self._kernel.vgpu_manager.removes = removes

    def advance(self, seconds: float) -> None:
        """Let time pass for what takes its time: NVIDIA's manager."""
        with self._lock:
            self._kernel.advance(seconds)
            self._folder.close()

    def terminate(self, names: Collection[str], patience: float) -> bool:
        """Send a QEMU a SIGTERM, and let time pass until it ends.

        :param names: what it has open
        :param patience: how many seconds at most
        :returns: whether it ends; `release_hold` lets it close what it has
        """
        with self._lock:
            return self._kernel.vgpu_manager.terminate(names, patience)

    def kill(self, names: Collection[str]) -> None:
        """Send a QEMU a SIGKILL, before it closes what it has open."""
        with self._lock:
            self._kernel.vgpu_manager.kill(names)

    def wedged(self) -> frozenset[str]:
        """List the VFs and mdevs that no guest's driver can start."""
        with self._lock:
            return frozenset(self._kernel.vgpu_manager.wedged)

    def end(self, process: str) -> None:
        """End a daemon of the host.

        :raises LookupError: when no daemon of that name runs
        """
        with self._lock:
            self._kernel.processes.end(process)

    def hide_processes(self) -> None:
        """Look at the host from a container with a PID namespace of its own.

        /proc has the container's processes alone, until the host reboots.
        """
        with self._lock:
            self._kernel.processes.hide()
            self._folder.close()

    def hang(self, command: str) -> None:
        """Let each process of a command hang from its start.

        It stands in the kernel, in state D of proc(5), and no signal ends it.
        """
        with self._lock:
            self._hanging.add(command)

    def wake(self, command: str) -> None:
        """Let the processes of a command hang no more."""
        with self._lock:
            self._hanging.discard(command)

    def hangs(self, command: str) -> bool:
        """Tell whether the processes of a command hang."""
        with self._lock:
            return command in self._hanging

    def hang_writes(self, path_glob: str) -> None:
        """Let each write to a file hang in the kernel, before its effect.

        A reboot ends it, too.

        :param path_glob: which, as for `fail`
        """
        with self._lock:
            self._hanging_writes.add(path_glob)

    def wake_writes(self, path_glob: str) -> None:
        """Let these writes go on, and hang no more."""
        with self._lock:
            self._hanging_writes.discard(path_glob)
            self._closed.notify_all()

    def fail(self, path_glob: str, number: int, times: int = 1) -> None:
        """Let writes and commands fail, before they have any effect.

        :param path_glob: which paths, as written or without symlinks, or
            which commands, by name or with all their words
        :param number: the errno
        :param times: how many of them
        """
        with self._lock:
            self.faults.add(path_glob, number, times)

    def ignore(self, path_glob: str, times: int = 1) -> None:
        """Let writes and commands end well, without any effect.

        ``sriov-manage`` of vGPU 17.2 did so, and AMD's gim does.

        :param path_glob: which, as for `fail`
        :param times: how many of them
        """
        with self._lock:
            self.faults.ignore(path_glob, times)

    def break_file(
        self, address: str, name: str, text: str | bytes | None
    ) -> None:
        """Make a file of a function nonsensical, until the host reboots.

        :param name: relative to the function's directory
        :param text: what it says from now on; None makes that reading it
            fails, with ELOOP in place of a real device's EIO
        :raises LookupError: without such a function or file
        """
        with self._lock:
            if address not in self._kernel.devices:
                raise LookupError(f'{address}: no such function')
            path = f'{self._kernel.place(address)}/{name}'
            if not os.path.lexists(self.root / path):
                raise LookupError(f'{address} has no file {name}')
            if text is None:
                self._folder.link_text(path, os.path.basename(path))
            else:
                self._folder.file(path, text, 0o444)
            self._folder.frozen.add(path)
            self._folder.close()

    def let_close_not_reset(self, address: str) -> None:
        """Let VFIO leave a function as its guest did, without a word."""
        with self._lock:
            self._kernel.resets.kept.add(address)

    def spoil_resets(self, address: str, illness: resets.Illness) -> None:
        """Let something go wrong with the resets of a function.

        It ends with `mend_resets`, or when the host reboots.
        """
        with self._lock:
            self._kernel.resets.illnesses[address] = illness

    def mend_resets(self, address: str) -> None:
        """Let nothing go wrong any more, and repair what did."""
        with self._lock:
            self._kernel.resets.heal(address)
            if address in self._kernel.devices:
                self._kernel.resetting.repair_config(address)
            self._closed.notify_all()
            self._folder.close()

    def unclean(self) -> frozenset[str]:
        """List the functions that a guest had and that were not reset."""
        with self._lock:
            return frozenset(self._kernel.resets.unclean)

    def reset_under_a_guest(self) -> tuple[str, ...]:
        """List the functions that were reset while they were open.

        The kernel lets root do so; nobody may.
        """
        with self._lock:
            return tuple(self._kernel.resets.under_guests)
