"""A folder whose files, links and modes look like a kernel's sysfs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

_STAGE = '.stage'


class Folder:
    """Files, directories and links below a root.

    Paths are relative to the root, without symlinks in them. A file appears
    with its whole content at once, and a directory disappears at once, as in
    sysfs: who reads at the same time never sees half of one.

    :ivar frozen: paths that `change` leaves as they are
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root.absolute()
        self.frozen: set[str] = set()
        self._counter = 0

    def directory(self, path: str) -> None:
        """Make a directory and its parents, mode 0755."""
        missing = []
        place = self.root / path
        while not place.is_dir():
            missing.append(place)
            place = place.parent
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)

    def file(self, path: str, content: str | bytes, mode: int) -> None:
        """Write a file, in place of one or of a link that is there."""
        data = content.encode() if isinstance(content, str) else content
        staged = self._staged()
        with open(staged, 'xb') as out:
            out.write(data)
        staged.chmod(mode)
        self._move(staged, path)

    def change(self, path: str, content: str | bytes) -> None:
        """Write a file that is there, and keep its mode."""
        if path in self.frozen:
            return
        mode = os.lstat(self.root / path).st_mode & 0o777
        self.file(path, content, mode)

    def link(self, path: str, target: str) -> None:
        """Make a symlink to a path of this folder, relative as in sysfs.

        The kernel goes up to a directory that is above the target, never to
        the target itself: from ``card/device`` to ``card``'s parent it is
        ``../../parent`` (fs/kernfs/symlink.c).
        """
        parent, name = os.path.split(target)
        relative = os.path.relpath(parent, os.path.dirname(path))
        self.link_text(path, os.path.normpath(f'{relative}/{name}'))

    def link_text(self, path: str, text: str) -> None:
        """Make a symlink that says just this text."""
        staged = self._staged()
        staged.symlink_to(text)
        self._move(staged, path)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole directory, if there."""
        place = self.root / path
        if place.is_dir() and not place.is_symlink():
            staged = self._staged()
            place.rename(staged)
            shutil.rmtree(staged)
        else:
            place.unlink(missing_ok=True)

    def clear(self, *paths: str) -> None:
        """Remove directories, and freeze nothing any more."""
        for path in paths:
            self.remove(path)
        self.frozen.clear()

    def prune(self, path: str) -> None:
        """Remove a directory and those above it, as far as they are empty."""
        with contextlib.suppress(OSError):
            while path:
                (self.root / path).rmdir()
                path = os.path.dirname(path)

    def close(self) -> None:
        """Leave nothing but the host's files."""
        with contextlib.suppress(FileNotFoundError):
            (self.root / _STAGE).rmdir()

    def _staged(self) -> pathlib.Path:
        stage = self.root / _STAGE
        stage.mkdir(parents=True, exist_ok=True)
        self._counter += 1
        return stage / str(self._counter)

    def _move(self, staged: pathlib.Path, path: str) -> None:
        self.directory(os.path.dirname(path))
        staged.rename(self.root / path)
