"""The one door through which files of a host are read.

What is behind it is a folder (``/`` is this machine) or a capture of another
host. Whoever stands in the door sees all that is read, so nothing of a host
is opened, listed or followed in another way. `write` is how root changes a
file of this machine's.
"""

from __future__ import annotations

import abc
import os
import pathlib
import posixpath
import stat
from collections.abc import Callable
from typing import TypeVar

from nova_gpuvirt.host import own_folder

_T = TypeVar('_T')


class Files(abc.ABC):
    """A host's files, by paths that are relative to its root.

    Each question is one system call of the kernel, and fails as that does,
    with `OSError`.
    """

    @abc.abstractmethod
    def read(self, path: str, size: int = -1) -> bytes:
        """Read a file, or its first bytes.

        :param size: how many; all of them below 0
        """

    @abc.abstractmethod
    def names(self, path: str) -> list[str]:
        """List what a folder holds, in any order."""

    @abc.abstractmethod
    def target(self, path: str) -> str:
        """Read what a link says."""

    @abc.abstractmethod
    def changed(self, path: str) -> int:
        """Tell when a file changed last, in nanoseconds."""

    @abc.abstractmethod
    def mode(self, path: str) -> int:
        """Tell a file's type and permissions, as ``st_mode`` of lstat(2)."""

    @abc.abstractmethod
    def exists(self, path: str) -> bool:
        """Tell whether there is such a file, folder or link; never fails."""

    def text(self, path: str, errors: str = 'strict') -> str:
        """Read a file as text, without its last newline.

        :param errors: what becomes of bytes that are none, as `bytes.decode`
            has it
        :raises UnicodeDecodeError: when it is none
        """
        return self.read(path).decode(errors=errors).rstrip('\n')

    def text_if_readable(self, path: str) -> str | None:
        """Read a file as text, whatever it holds; None where it can't be."""
        try:
            return self.text(path, errors='replace')
        except OSError:
            return None

    def names_if_there(self, path: str) -> list[str]:
        """List what a folder holds; one that is not there holds nothing."""
        try:
            return self.names(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def linked_name(self, path: str) -> str | None:
        """Name what a link points to, without its folder; None for none."""
        try:
            return posixpath.basename(self.target(path))
        except OSError:
            return None

    def can_be_written(self, path: str) -> bool:
        """Tell whether there is a file that its owner may write to."""
        try:
            return bool(self.mode(path) & stat.S_IWUSR)
        except OSError:
            return False


class OnDisk(Files):
    """The files below a folder.

    An error names a file as its host does, wherever the folder is. What is
    behind a link that leads out of a device's folder is not read (ELOOP).
    """

    def __init__(self, root: str | os.PathLike[str] = '/') -> None:
        # Text, since a host has thousands of files, and paths are slow.
        self._root = os.path.join(root, '')
        self._real = os.path.realpath(root)

    def __str__(self) -> str:
        """Name the folder."""
        return self._root.rstrip('/') or '/'

    def read(self, path: str, size: int = -1) -> bytes:
        """Read a file."""
        return self._ask(self._read, path, size)

    def names(self, path: str) -> list[str]:
        """List a folder."""
        return self._ask(self._list, path)

    def target(self, path: str) -> str:
        """Read a link."""
        link: str = self._ask(os.readlink, path)
        return link

    def changed(self, path: str) -> int:
        """Ask for the time of the last change."""
        status: os.stat_result = self._ask(os.stat, path)
        return status.st_mtime_ns

    def mode(self, path: str) -> int:
        """Ask for the mode, without following a link at the end."""
        status: os.stat_result = self._ask(os.lstat, path)
        return status.st_mode

    def exists(self, path: str) -> bool:
        """Look, without following a link at the end."""
        return os.path.lexists(self._root + path)

    def _read(self, path: str, size: int) -> bytes:
        # Buffers would take longer than the reading.
        with open(path, 'rb', buffering=0) as file:
            self._check(path, file.fileno())
            return file.read(size)

    def _list(self, path: str) -> list[str]:
        if not own_folder.is_of_a_device(path.removeprefix(self._root)):
            return os.listdir(path)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._check(path, folder)
            return os.listdir(folder)
        finally:
            os.close(folder)

    def _check(self, path: str, file: int) -> None:
        own_folder.check(self._real, path.removeprefix(self._root), file)

    def _ask(self, call: Callable[..., _T], path: str, *arguments: int) -> _T:
        try:
            return call(self._root + path, *arguments)
        except OSError as error:
            error.filename = f'/{path}'
            raise


def write(root: pathlib.Path, path: str, text: str) -> None:
    """Write to a file of the kernel's that is there, in one write.

    :param path: relative to the root
    :raises OSError: as the kernel answers; ELOOP where a link leads out of
        the device's folder
    """
    # Python's `open` would make a file that is not there.
    file = os.open(root / path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        own_folder.check(os.path.realpath(root), path, file)
        os.write(file, text.encode())
    finally:
        os.close(file)
