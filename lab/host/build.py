"""Make what the VM needs, as far as it is not there yet."""

from __future__ import annotations

import pathlib
from concurrent import futures

from lab import commands
from lab import steps
from lab.host import cache
from lab.host import debian
from lab.host import drawing_guest
from lab.host import environment
from lab.host import image
from lab.host import initrd
from lab.host import places
from lab.host import qemu
from lab.host import ssh
from lab.host import vm_tree

_PACKAGES = places.SOURCES / 'vm-packages.txt'
_KMOD = places.CLONE / 'lab/kmod'
_INITRDS = (places.SOURCES / 'initrd.py', places.SOURCES / 'initrd')


def build() -> None:
    """Make everything, at once what does not need each other.

    :raises CommandFailed: when a program that is needed can't do its part
    """
    with steps.step("this machine's packages"):
        debian.install_missing()
    with futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(do) for do in (_key, _qemu, _wheels, _root)]
        key, _, wheels, root = [one.result() for one in waiting]
        made = (
            pool.submit(_environment, root, wheels),
            pool.submit(_drawing_guest, root),
            pool.submit(_modules, root),
        )
        with_nova, _, modules = [one.result() for one in made]
    _image(key, with_nova, modules)


def _key() -> str:
    return cache.kept("the VM's key", places.KEY, (), ssh.make_key)


def _qemu() -> str:
    inputs = (*qemu.PACKAGES, qemu.SUITE)
    return cache.kept('QEMU', places.QEMU, inputs, qemu.unpack)


def _wheels() -> str:
    return cache.kept(
        *('Python packages', places.WHEELS),
        *(environment.PINS, environment.download),
    )


def _root() -> str:
    def make(target: pathlib.Path) -> None:
        debian.install(target, debian.packages(_PACKAGES))

    return cache.kept('Debian 13', places.DEBIAN, (_PACKAGES,), make)


def _environment(root: str, wheels: str) -> str:
    inputs = (root, wheels, places.CLONE / 'requirements.txt')
    return cache.kept('Nova in it', places.ROOT, inputs, environment.make_root)


def _drawing_guest(root: str) -> str:
    def make(target: pathlib.Path) -> None:
        drawing_guest.make(places.DEBIAN, target)

    inputs: list[str | pathlib.Path] = [
        *(root, *drawing_guest.MODULES, *drawing_guest.SOURCES, *_INITRDS),
        places.SOURCES / 'drawing_guest.py',
    ]
    return cache.kept('a guest that draws', places.DRAWING_GUEST, inputs, make)


def _modules(root: str) -> str:
    builds = _KMOD / 'build.sh'

    def make(target: pathlib.Path) -> None:
        commands.output(builds, places.DEBIAN, places.BUILDER, target)

    inputs: list[str | pathlib.Path] = [
        *(root, initrd.kernel(places.DEBIAN), builds, _KMOD / 'Kbuild'),
        *sorted(_KMOD.glob('*.[ch]')),
    ]
    return cache.kept('the kernel module', places.MODULES, inputs, make)


def _image(key: str, root: str, modules: str) -> str:
    inputs: list[str | pathlib.Path] = [
        *(key, root, modules, image.DISK_SIZE),
        *(vm_tree.FILES, vm_tree.UNITS, *environment.PROJECT, *_INITRDS),
        *(places.SOURCES / name for name in ('image.py', 'vm_tree.py')),
    ]
    return cache.kept("the VM's disk", places.IMAGE, inputs, image.make)
