"""A simulated host that runs: its kernel, its files, and what writes do.

Reading is reading the folder. Writing goes through `Running.write`, since a
plain file can't refuse, nor create and remove others.
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
from nova_gpuvirt.simulation.kernel import log
from nova_gpuvirt.simulation.kernel import store


class Running:
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
