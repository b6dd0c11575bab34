"""Make a small initrd: busybox, a few modules of the kernel, a script."""

from __future__ import annotations

import gzip
import lzma
import pathlib
import shutil
import tempfile
from collections.abc import Iterable

from lab import commands
from lab import exception
from lab.host import places

# The first process.
_INIT = places.SOURCES / 'initrd/vm-init'


def kernel(root: pathlib.Path) -> str:
    """Name the one kernel of a root tree.

    :raises Unsuited: when it has none, or several
    """
    found = [path.name for path in (root / 'lib/modules').iterdir()]
    if len(found) != 1:
        raise exception.Unsuited(
            f'{root}/lib/modules: wanted one kernel, found '
            f'{", ".join(found) or "none"}; remove the tree'
        )
    return found[0]


def copy_kernel(root: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy a root tree's kernel into a folder, as ``vmlinuz``."""
    shutil.copy(root / f'boot/vmlinuz-{kernel(root)}', folder / 'vmlinuz')


def make(
    root: pathlib.Path,
    modules: Iterable[str],
    target: pathlib.Path,
) -> None:
    """Write an initrd from a root tree's files.

    :param modules: are there with what they need, in the order of ``/order``
    """
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        tree = pathlib.Path(folder)
        for name in ('bin', 'dev', 'modules', 'new', 'proc', 'sys'):
            (tree / name).mkdir()
        shutil.copy(root / 'usr/bin/busybox', tree / 'bin')
        for applet in commands.output(tree / 'bin/busybox', '--list').split():
            if applet != 'busybox':
                (tree / 'bin' / applet).symlink_to('busybox')
        shutil.copy(_INIT, tree / 'init')
        order = _modules(root, modules)
        for module in order:
            (tree / 'modules' / _name(module)).write_bytes(_content(module))
        names = '\n'.join(_name(module) for module in order)
        (tree / 'order').write_text(f'{names}\n')
        _pack(tree, target)


def _modules(
    root: pathlib.Path, names: Iterable[str]
) -> tuple[pathlib.Path, ...]:
    """Find modules and what they need, each once, in order of loading."""
    found: dict[pathlib.Path, None] = {}
    for name in names:
        listed = commands.output(
            *('chroot', root, 'modprobe', '--show-depends'),
            *('--set-version', kernel(root), name),
        )
        for line in listed.splitlines():
            word, *rest = line.split()
            if word == 'insmod':
                found[root / rest[0].lstrip('/')] = None
    return tuple(found)


def _name(module: pathlib.Path) -> str:
    return module.name.removesuffix('.xz')


def _content(module: pathlib.Path) -> bytes:
    data = module.read_bytes()
    return lzma.decompress(data) if module.suffix == '.xz' else data


def _pack(tree: pathlib.Path, target: pathlib.Path) -> None:
    files = sorted(str(path.relative_to(tree)) for path in tree.rglob('*'))
    packed = target.with_suffix('.cpio')
    commands.output(
        *('cpio', '--create', '--format=newc', '--quiet', '--file', packed),
        folder=tree,
        told='\n'.join(files),
    )
    target.write_bytes(gzip.compress(packed.read_bytes(), compresslevel=1))
    packed.unlink()
