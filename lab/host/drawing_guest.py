"""A guest that draws: a disk with Mesa and a program that uses it.

The libraries of OpenGL are too much for an initrd that an emulated processor
unpacks; of a disk only what is used is read.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile

from lab import commands
from lab.host import initrd
from lab.host import places
from nova_gpuvirt.proof import image

MODULES = ('virtio_blk', 'ext4', 'virtio_gpu')
# What the guest runs: first this folder's init, and that what draws.
SOURCES = (places.SOURCES / 'drawing', image.INIT)
# What its kernel is told: its screen is off. Else the kernel's console is on
# it, and where a processor that is emulated draws for the guest, each of its
# pictures takes seconds that nothing else in QEMU runs in.
WORDS = 'video=Virtual-1:d'
_DISK_SIZE = '512M'

_LIBRARIES = 'usr/lib/x86_64-linux-gnu'
_PYTHON = 'usr/lib/python3.13'
_VENDORS = 'usr/share/glvnd/egl_vendor.d'
# What is opened by name, and so needed by no other file.
_OPENED = (
    'usr/bin/python3.13',
    *(f'{_LIBRARIES}/lib{name}' for name in ('EGL.so.1', 'GLESv2.so.2')),
    f'{_LIBRARIES}/libEGL_mesa.so.0',
)
_LIBRARY = re.compile(r'(/\S+) \(0x[0-9a-f]+\)$', re.MULTILINE)


def make(root: pathlib.Path, target: pathlib.Path) -> None:
    """Write its kernel, initrd and disk from a root tree's files.

    :raises CommandFailed: when a program that is needed can't do its part
    """
    initrd.copy_kernel(root, target)
    initrd.make(root, MODULES, target / 'initrd.gz')
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        tree = pathlib.Path(folder) / 'tree'
        _fill(root, tree)
        disk = pathlib.Path(folder) / 'disk'
        commands.output('truncate', '--size', _DISK_SIZE, disk)
        commands.output(
            *('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal'),
            *('-E', 'root_owner=0:0', '-d', tree, disk),
        )
        commands.output(
            *('qemu-img', 'convert', '-c', '-O', 'qcow2'),
            *(disk, target / 'disk.qcow2'),
        )


def _fill(root: pathlib.Path, tree: pathlib.Path) -> None:
    for name in ('dev', 'proc', 'sys', 'tmp'):
        (tree / name).mkdir(parents=True)
    for name in ('bin', 'sbin', 'lib', 'lib64'):
        (tree / 'usr' / name).mkdir(parents=True)
        (tree / name).symlink_to(f'usr/{name}')
    for folder in (_PYTHON, _VENDORS):
        # (That one is a link into /etc, to an empty file.)
        left_out = shutil.ignore_patterns('sitecustomize.py')
        shutil.copytree(root / folder, tree / folder, ignore=left_out)
    opened = [
        *_OPENED,
        *(
            str(path.relative_to(root))
            for path in (root / _PYTHON / 'lib-dynload').glob('_ctypes.*')
        ),
    ]
    needed = commands.output('chroot', root, 'ldd', *opened)
    for name in {*opened, 'usr/bin/busybox', *_LIBRARY.findall(needed)}:
        file = tree / name.lstrip('/')
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name.lstrip('/'), file)
    drawing, functions = SOURCES
    shutil.copytree(drawing, tree / 'sbin', dirs_exist_ok=True)
    shutil.copy(functions, tree / 'sbin/say-functions')
