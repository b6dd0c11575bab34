"""What the VM boots: its disk, its kernel and its initrd."""

from __future__ import annotations

import pathlib
import tempfile

from lab import commands
from lab.host import environment
from lab.host import initrd
from lab.host import places
from lab.host import trees
from lab.host import vm_tree

DISK_SIZE = '4G'


def make(target: pathlib.Path) -> None:
    """Make the three files; nothing is mounted.

    :raises CommandFailed: when a program that is needed can't do its part
    """
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        tree = pathlib.Path(folder) / 'tree'
        trees.copy(places.ROOT, tree)
        environment.install_project(tree)
        vm_tree.configure(tree)
        initrd.copy_kernel(tree, target)
        modules = ('virtio_blk', 'ext4')
        initrd.make(tree, modules, target / 'initrd.gz')
        disk = target / 'disk'
        commands.output('truncate', '--size', DISK_SIZE, disk)
        commands.output(
            *('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal'),
            *('-E', 'root_owner=0:0', '-d', tree, disk),
        )
