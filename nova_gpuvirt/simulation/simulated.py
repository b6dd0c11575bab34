"""A simulated host: a folder of sysfs that reacts to writes as a kernel does.

Reading is reading the folder. Writing goes through `SimulatedHost.write`,
since a plain file can't refuse, nor create and remove others.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import stat
import threading
from collections.abc import Sequence

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import faults
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import kernel
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

    Nova works in several threads at once: every method is atomic. Paths are
    absolute as on the host, whatever the root. Names are PCI addresses or
    the UUIDs of mdevs.

    :param host: what the host has
    :param root: the folder, which must not have a ``sys``
    :raises FileExistsError: when it has: nothing of a real host is ever
        overwritten
    """

    def __init__(self, host: description.Host, root: pathlib.Path) -> None:
        if os.path.lexists(root / 'sys'):
            raise FileExistsError(
                f'{root} has a folder sys: give an empty root for a '
                'simulated host'
            )
        self._folder = folder.Folder(root)
        self.root = self._folder.root
        self.description = host
        self._lock = threading.RLock()
        self._faults = faults.Faults()
        self._absent: set[str] = set()
        self._kernel = self._boot()

    def write(self, path: str, text: str) -> None:
        """Write a file of sysfs, with one write(2) of the whole text.

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

    def end(self, process: str) -> None:
        """End a daemon of the host.

        :raises LookupError: when no daemon of that name runs
        """
        with self._lock:
            self._kernel.processes.end(process)

    def run(self, argv: Sequence[str]) -> str:
        """Run a command and return what it prints.

        :raises FileNotFoundError: when the host has no such command
        :raises subprocess.CalledProcessError: when it fails
        :raises OSError: what `fail` asked for
        """
        with self._lock:
            self._faults.strike(argv[0])
            command = self.description.commands.get(argv[0])
            if command is None:
                raise refusal(errno.ENOENT, f'no command {argv[0]}')
            return command(self._kernel.pf_drivers.of, argv[1:])

    def held(self, name: str) -> bool:
        """Tell whether a process has it open."""
        with self._lock:
            return name in self._kernel.held

    def reboot(self) -> None:
        """Start the host anew.

        It forgets mdevs, overrides, dynamic ids, VFs and bindings, and broken
        files are whole again. Nothing is held. What was unplugged stays away.
        """
        with self._lock:
            self._folder.remove('sys')
            self._folder.remove('proc')
            self._folder.frozen.clear()
            self._kernel = self._boot()

    def fail(self, path_glob: str, number: int, times: int = 1) -> None:
        """Let writes and commands fail, before they have any effect.

        :param path_glob: which paths, as written or without symlinks, or
            which commands
        :param number: the errno
        :param times: how many of them
        """
        with self._lock:
            self._faults.add(path_glob, number, times)

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
                self._replace(self._described(address), other)
            above = self._described(address).behind
            if above in self._absent:
                raise ValueError(f'plug the bridge {above}, and {address} too')
            back = {address, *(f.address for f in self._behind(address))}
            self._absent -= back
            self._kernel.plug(f for f in self._present() if f.address in back)

    def _replace(
        self, old: description.Function, new: description.Function
    ) -> None:
        if (new.address, new.behind) != (old.address, old.behind):
            raise ValueError(f'{new.address} is not where {old.address} was')
        self.description = dataclasses.replace(
            self.description,
            functions=tuple(
                new if f is old else f for f in self.description.functions
            ),
        )

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
        """Read the whole of sysfs, to compare it with another time.

        Paths are absolute as on the host; a link has ``-> target``, and an
        empty directory is a path that ends in ``/``.
        """
        with self._lock:
            return dict(self._entries(self.root / 'sys'))

    def _entries(self, place: pathlib.Path) -> list[tuple[str, str]]:
        found = []
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                path = pathlib.Path(entry.path)
                name = f'/{path.relative_to(self.root)}'
                if entry.is_symlink():
                    found.append((name, f'-> {os.readlink(path)}'))
                elif entry.is_dir():
                    below = self._entries(path)
                    found.extend(below or [(f'{name}/', '')])
                else:
                    text = path.read_text(errors='surrogateescape')
                    found.append((name, text))
        return found

    def _boot(self) -> kernel.Kernel:
        started = kernel.Kernel(self.description, self._folder)
        started.boot(self._present())
        for service in self.description.services.values():
            service.start(started.processes.runs)
        self._folder.close()
        return started

    def _present(self) -> list[description.Function]:
        return [
            f for f in self.description.walk() if f.address not in self._absent
        ]

    def _described(self, address: str) -> description.Function:
        return next(
            f for f in self.description.functions if f.address == address
        )

    def _behind(self, address: str) -> list[description.Function]:
        """List what is behind a bridge, each before its own bridge."""
        return list(self.description.walk(address))[::-1]

    def _write(self, path: str, text: str) -> None:
        place = self._resolved(path)
        self._faults.strike(path, f'/{place}')
        status = os.stat(self.root / place)
        if stat.S_ISDIR(status.st_mode):
            raise refusal(errno.EISDIR, 'a directory')
        writable = place.startswith('sys/') and status.st_mode & 0o222
        if not writable:
            raise refusal(errno.EACCES, 'not writable, not even by root')
        if text:
            store.store(self._kernel, place, text)
            self._folder.close()

    def _resolved(self, path: str) -> str:
        """Follow symlinks, to a path relative to the root.

        :raises OSError: ENOENT, ENOTDIR or ELOOP
        """
        if not path.startswith('/'):
            raise ValueError(f'{path!r} is not absolute')
        root = os.path.realpath(self.root)
        real = os.path.realpath(f'{root}{path}')
        if not real.startswith(f'{root}/'):
            raise refusal(errno.ENOENT, 'outside of the host')
        os.stat(f'{root}{path}')
        return os.path.relpath(real, root)
