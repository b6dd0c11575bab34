"""Make what is kept, and leave it where nothing changed of its inputs."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
from collections.abc import Callable
from collections.abc import Iterable

from lab import steps


def kept(
    name: str,
    target: pathlib.Path,
    inputs: Iterable[str | pathlib.Path],
    make: Callable[[pathlib.Path], None],
) -> str:
    """Make a folder, unless it was made from the same inputs before.

    :param inputs: texts, and files and folders that are read; a path that
        does not exist is an input too
    :param make: fills the folder that it is given, which takes the target's
        place when it is done
    :returns: a digest of the inputs, an input for what is made from this
    """
    digest = _digest(inputs)
    stamp = target.with_name(f'{target.name}.stamp')
    if target.exists() and stamp.exists() and stamp.read_text() == digest:
        with steps.step(f'{name}: as it was'):
            return digest
    with steps.step(name):
        stamp.unlink(missing_ok=True)
        new = target.with_name(f'{target.name}.new')
        for old in (new, target):
            shutil.rmtree(old, ignore_errors=True)
        new.mkdir(parents=True)
        make(new)
        new.rename(target)
        stamp.write_text(digest)
    return digest


def _digest(inputs: Iterable[str | pathlib.Path]) -> str:
    digest = hashlib.sha256()
    for one in inputs:
        if isinstance(one, str):
            digest.update(f'{one}\0'.encode())
            continue
        for file in _files(one):
            digest.update(f'{file.relative_to(one)}\0'.encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob('*')
        if file.is_file() and '__pycache__' not in file.parts
    )
