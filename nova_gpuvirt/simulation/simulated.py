"""A simulated host: a folder of sysfs that reacts to writes as a kernel does.

Reading is reading the folder. Writing goes through `SimulatedHost.write`,
since a plain file can't refuse, nor create and remove others.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import pathlib
import stat
import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import faults
from nova_gpuvirt.simulation import unprepared
from nova_gpuvirt.simulation import userland
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files import paths
from nova_gpuvirt.simulation.files import snapshot
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import config_space
from nova_gpuvirt.simulation.kernel import device
from nova_gpuvirt.simulation.kernel import kernel
from nova_gpuvirt.simulation.kernel import kfd
from nova_gpuvirt.simulation.kernel import log
from nova_gpuvirt.simulation.kernel import resets
from nova_gpuvirt.simulation.kernel import store

# A host has thousands of files, which a disk makes ten times as slowly.
_MEMORY = '/dev/shm'
_ENOUGH = 256 << 20


def memory() -> str | None:
    """Name a folder in memory that has room for hosts, None without one."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    status = os.statvfs(_MEMORY)
    return _MEMORY if status.f_bavail * status.f_frsize > _ENOUGH else None


class SimulatedHost:
    """A host that runs a simulated kernel, in a folder of its own.

    Nova works in several threads at once: every method is atomic, but for a
    write for which the kernel waits: it changes nothing until then. Paths are
    absolute as on the host, whatever the root. Names are PCI addresses or
    the UUIDs of mdevs.

    :param host: what the host has, and what its operator's own units make of
        it at each start: VFs, modes, quotas
    :param root: the folder, which must not have a ``sys``
    :ivar bare: whether it has no such units: cards are as in `unprepared`
    :ivar log: what its kernel has said; and `faults`, what goes wrong on it
    :raises FileExistsError: when it has: no real host is ever overwritten
    """

    def __init__(
        self, host: description.Host, root: pathlib.Path, *, bare: bool = False
    ) -> None:
        if os.path.lexists(root / 'sys'):
            raise FileExistsError(
                f'{root} has a folder sys: give an empty root for a '
                'simulated host'
            )
        self._folder = folder.Folder(root)
        self.root = self._folder.root
        self.description = host
        self._lock = threading.RLock()
        self._closed = threading.Condition(self._lock)
        self.faults = faults.Faults()
        self._absent: set[str] = set()
        self._hanging: set[str] = set()
        self._hanging_writes: set[str] = set()
        self._kept = unprepared.Kept()
        self.bare = bare
        self._kernel = self._boot()

    def write(self, path: str, text: str) -> None:
        """Write a file of sysfs, with one write(2) of the whole text.

        It returns when the kernel does, which may wait without end for a
        process that has the device open.

        :raises OSError: what the kernel would say: ENOENT, ENOTDIR, EISDIR,
            EACCES for a file that is not writable, and what stands at the
            operations of `kernel.Kernel` and `mdevs.Mdevs`; or what `fail`
            asked for
        :raises NotImplementedError: for a writable file whose effect is not
            simulated
        """
        with self._lock:
            try:
                self._write(path, text)
            except OSError as error:
                error.filename = path
                raise

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

    def run(self, argv: Sequence[str], *, as_root: bool = False) -> str:
        """Run a command and return what it prints.

        :param as_root: whether root asks, or a user such as nova
        :raises FileNotFoundError: when the host has no such command
        :raises subprocess.CalledProcessError: when it fails
        :raises OSError: what `fail` asked for
        """
        with self._lock:
            if self.faults.strike(argv[0], ' '.join(argv)):
                return ''
            command = self.description.commands.get(
                argv[0], userland.COMMANDS.get(argv[0])
            )
            if command is None:
                raise refusal(errno.ENOENT, f'no command {argv[0]}')
            try:
                output = command(self._kernel.pf_drivers.of, argv[1:], as_root)
                return self.faults.heard(argv, output)
            finally:
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

    def hangs(self, command: str) -> bool:
        """Tell whether the processes of a command hang."""
        with self._lock:
            return command in self._hanging

    def held(self, name: str) -> bool:
        """Tell whether a process has it open."""
        with self._lock:
            return name in self._kernel.held

    def unclean(self) -> frozenset[str]:
        """List the functions that a guest had and that were not reset."""
        with self._lock:
            return frozenset(self._kernel.resets.unclean)

    def config_space(self, address: str) -> bytes:
        """Read the configuration space of a function as root.

        A header that `break_file` broke is broken here, too.

        :raises FileNotFoundError: without such a function
        :raises OSError: what reading the broken file says
        """
        with self._lock:
            function = self._kernel.devices.get(address)
            if function is None:
                raise refusal(errno.ENOENT, f'{address}: no such function')
            path = f'{self._kernel.place(address)}/config'
            header = (self.root / path).read_bytes()
            if config_space.is_off(header):
                return b'\xff' * len(function.config)
            return header + function.config[len(header) :]

    def reset_bus(self, addresses: Collection[str]) -> None:
        """Reset functions by their bus, as VFIO's hot reset.

        It returns when the kernel does.

        :raises OSError: as `Resetting.reset_bus` says; or what `fail`
            asked for, by the node of a group (``/dev/vfio/33``)
        """
        with self._lock:
            nodes = (
                f'/dev/vfio/{self._kernel.devices[a].group}'
                for a in addresses
                if a in self._kernel.devices
            )
            if not self.faults.strike(*nodes):
                self._when_free(
                    lambda: self._kernel.resetting.reset_bus(addresses)
                )

    def reset_under_a_guest(self) -> tuple[str, ...]:
        """List the functions that were reset while they were open.

        The kernel lets root do so; nobody may.
        """
        with self._lock:
            return tuple(self._kernel.resets.under_guests)

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

    def reboot(self) -> None:
        """Start the host anew.

        It forgets mdevs, overrides, dynamic ids, VFs, modes and bindings, and
        broken files are whole again; then the operator's units prepare it,
        unless it is `bare`. Nothing is held. What was unplugged stays away.
        """
        with self._lock:
            for address in self._kernel.devices:
                self._keep(address)
            self._folder.clear('dev', 'proc', 'sys')
            self._kernel = self._boot()
            self._hanging_writes.clear()
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

    def unplug(self, address: str) -> None:
        """Take a function away, with its VFs, mdevs and all behind it.

        As when a card falls off the bus and the kernel removes it. Real
        removal waits for who holds the function; here the hold ends.

        :raises LookupError: without such a function
        :raises ValueError: for a VF, which goes with its PF
        """
        with self._lock:
            device = self._kernel.devices.get(address)
            if device is None:
                raise LookupError(f'{address}: no such function')
            if device.function.physfn:
                raise ValueError(
                    f'{address} is a VF: unplug {device.function.physfn}'
                )
            for function in (*self._behind(address), device.function):
                if function.address in self._kernel.devices:
                    self._keep(function.address)
                    self._kernel.unplug(function)
                    self._absent.add(function.address)

    def plug(
        self, address: str, other: description.Function | None = None
    ) -> None:
        """Bring an unplugged function back, with what is behind it.

        :param other: another one that is plugged in its place
        :raises LookupError: when it was not unplugged
        :raises ValueError: when the bridge above it is unplugged as well, or
            the other one has another place
        """
        with self._lock:
            if address not in self._absent:
                raise LookupError(f'{address} is not unplugged')
            if other is not None:
                self.description = self.description.with_instead(
                    address, other
                )
                self._kept.forget(address)
            above = self.description.named(address).behind
            if above in self._absent:
                raise ValueError(f'plug the bridge {above}, and {address} too')
            back = {address, *(f.address for f in self._behind(address))}
            self._absent -= back
            self._kernel.plug(f for f in self._present() if f.address in back)

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

    def snapshot(self) -> dict[str, str]:
        """Read the whole of sysfs, as `snapshot` has it."""
        with self._lock:
            return snapshot.take(self.root, 'sys')

    def _boot(self) -> kernel.Kernel:
        self.log = log.Log()
        started = kernel.Kernel(self.description, self._folder)
        userland.write(self._folder, self.description)
        started.boot(self._present())
        for service in self.description.services.values():
            service.start(started.processes.runs)
        self._folder.close()
        return started

    def _present(self) -> list[description.Function]:
        """Describe what is plugged in, as a start leaves it."""
        return [
            self._kept.of(unprepared.of(f) if self.bare else f)
            for f in self.description.walk()
            if f.address not in self._absent
        ]

    def _keep(self, address: str) -> None:
        self._kept.note(address, self._kernel.pf_drivers.of(address))

    def _behind(self, address: str) -> list[description.Function]:
        """List what is behind a bridge, each before its own bridge."""
        return list(self.description.walk(address))[::-1]

    def _write(self, path: str, text: str) -> None:
        place = paths.resolved(self.root, path)
        if self.faults.strike(path, f'/{place}'):
            return
        status = os.stat(self.root / place)
        if stat.S_ISDIR(status.st_mode):
            raise refusal(errno.EISDIR, 'a directory')
        ours = place.startswith(('sys/', 'proc/driver/'))
        if not ours or not status.st_mode & 0o222:
            raise refusal(errno.EACCES, 'not writable, not even by root')
        if text:
            names = (path, f'/{place}')
            self._when_free(lambda: self._store(names, place, text))

    def _store(self, names: Sequence[str], place: str, text: str) -> None:
        """Do what the write does, unless it hangs.

        :raises InUse: while it hangs
        """
        for glob in self._hanging_writes:
            if any(fnmatch.fnmatchcase(name, glob) for name in names):
                raise device.InUse(place)
        store.store(self._kernel, place, text)

    def _when_free(self, operation: Callable[[], None]) -> None:
        """Do what the kernel may wait for; its waiting ends with a reboot.

        :raises InterruptedError: when the host has rebooted meanwhile
        """
        running = self._kernel
        while True:
            try:
                operation()
            except device.InUse:
                self._closed.wait()
                if self._kernel is not running:
                    raise refusal(errno.EINTR, 'rebooted') from None
            else:
                self._folder.close()
                return
