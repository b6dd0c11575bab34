"""The Python environment of the VM, with Nova's compute service in it."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

from lab import commands
from lab.host import places
from lab.host import trees

# The VM's own Python, and where its environment is.
_PYTHON = '3.13'
_HOME = '/opt/nova'
_ENVIRONMENT = (
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'PIP_ROOT_USER_ACTION=ignore',
    # Git's history is not in the copy that is installed from.
    'PBR_VERSION=0.0.0',
)
PINS = (
    places.CLONE / 'constraints/nova-34.txt',
    places.SOURCES / 'constraints-3.13.txt',
)
# What the project's package is made of
PROJECT = tuple(
    places.CLONE / name
    for name in (
        'etc',
        'nova_gpuvirt',
        'pyproject.toml',
        'README.rst',
        'requirements.txt',
        'setup.cfg',
        'setup.py',
    )
)


def download(target: pathlib.Path) -> None:
    """Download every pinned package, for the VM's Python.

    It is done here, since pip of this machine knows where from; with all pins
    there is nothing to resolve, and so one without a wheel comes as source.

    :raises CommandFailed: when pip can't
    """
    pip = pathlib.Path(sys.executable).with_name('pip')
    commands.output(
        *(pip, 'download', '--quiet', '--no-deps', '--dest', target),
        *('--python-version', _PYTHON),
        *(word for file in PINS for word in ('--requirement', file)),
    )


def make_root(root: pathlib.Path) -> None:
    """Make a root tree with the environment, with Nova but not the project.

    libvirt's binding is Debian's, of the same version as its libvirt.

    :raises CommandFailed: when pip can't
    """
    trees.copy(places.DEBIAN, root)
    commands.output(
        *('chroot', root, 'python3', '-m', 'venv'),
        *('--system-site-packages', _HOME),
    )
    requirements = places.CLONE / 'requirements.txt'
    _pip(root, (requirements,), 'nova', '--requirement', requirements.name)


def install_project(root: pathlib.Path) -> None:
    """Install the project, as it is in the clone, into the environment.

    :raises CommandFailed: when pip can't
    """
    _pip(root, PROJECT, '--no-deps', '.')


def _pip(
    root: pathlib.Path, files: tuple[pathlib.Path, ...], *words: str
) -> None:
    work = root / 'var/tmp/pip'
    shutil.copytree(places.WHEELS, work / 'wheels', copy_function=os.link)
    for file in (*files, *PINS):
        if file.is_dir():
            shutil.copytree(file, work / file.name)
        else:
            shutil.copy(file, work)
    command = (
        f'cd /var/tmp/pip && {_HOME}/bin/pip install --quiet --no-index '
        f'--find-links wheels "$@"'
    )
    commands.output(
        # What pip is told here of indexes is of no use in there.
        *('chroot', root, 'env', '-i', *_ENVIRONMENT),
        *('sh', '-c', command, 'sh'),
        *(word for pin in PINS for word in ('--constraint', pin.name)),
        *words,
    )
    shutil.rmtree(work)
