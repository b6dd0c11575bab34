"""What guests of a proof boot from: this host's own kernel, and a busybox.

Who gives guests another kernel or another initrd names it. libvirt's QEMU
reads both as another user, and libvirt makes that the files' owner meanwhile:
so the guests get copies.
"""

from __future__ import annotations

import dataclasses
import gzip
import os
import pathlib
import shutil
import subprocess
import tempfile

from nova_gpuvirt import exception
from nova_gpuvirt.proof import elf

INIT = pathlib.Path(__file__).with_name('guest-init')
"""The first process of a guest, which says what `console` reads."""

_BUSYBOX = pathlib.Path('/bin/busybox')
_SECONDS = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """What guests boot from.

    The initrd's first process prints what `console` reads.
    """

    kernel: pathlib.Path
    initrd: pathlib.Path


def make(
    folder: pathlib.Path,
    kernel: pathlib.Path | None = None,
    initrd: pathlib.Path | None = None,
) -> Image:
    """Put what guests boot from into a folder.

    :param kernel: by default the one that runs here
    :param initrd: by default a new one, with this host's busybox
    :raises InvalidOption: when one of them is not to be had
    """
    image = Image(folder / 'vmlinuz', folder / 'initrd.gz')
    _copy('--kernel', kernel or _running_kernel(), image.kernel)
    if initrd is not None:
        _copy('--initrd', initrd, image.initrd)
    else:
        make_initrd(image.initrd)
    return image


def make_initrd(path: pathlib.Path, busybox: pathlib.Path = _BUSYBOX) -> None:
    """Write an initrd with a busybox and `INIT`.

    :raises InvalidOption: when there is no busybox that needs no library, or
        no cpio
    """
    try:
        loader = elf.interpreter(busybox)
    except (OSError, ValueError) as error:
        raise _no_busybox(str(error)) from error
    if loader is not None:
        raise _no_busybox(f'that {busybox} needs {loader}')
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        for folder in ('bin', 'dev', 'proc', 'sys'):
            (tree / folder).mkdir()
        shutil.copy(busybox, tree / 'bin')
        shutil.copy(INIT, tree / 'init')
        (tree / 'init').chmod(0o755)
        files = sorted(str(p.relative_to(tree)) for p in tree.rglob('*'))
        path.write_bytes(gzip.compress(_packed(tree, files), mtime=0))


def _no_busybox(found: str) -> exception.InvalidOption:
    return exception.InvalidOption(
        '--initrd',
        wanted='a busybox of this host that is linked statically',
        found=found,
        remedy="install one (Debian's busybox-static), or name an initrd",
    )


def _packed(tree: pathlib.Path, files: list[str]) -> bytes:
    try:
        return subprocess.run(
            ('cpio', '--quiet', '-o', '-H', 'newc', '--owner=+0:+0'),
            cwd=tree,
            input='\n'.join(files).encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise exception.InvalidOption(
            '--initrd',
            wanted='cpio, to make one',
            found=str(error),
            remedy='install cpio, or name an initrd',
        ) from error


def _running_kernel() -> pathlib.Path:
    release = os.uname().release
    places = (
        pathlib.Path(f'/boot/vmlinuz-{release}'),
        pathlib.Path(f'/lib/modules/{release}/vmlinuz'),
    )
    return next((place for place in places if place.is_file()), places[0])


def _copy(option: str, file: pathlib.Path, to: pathlib.Path) -> None:
    try:
        shutil.copyfile(file, to)
    except OSError as error:
        raise exception.InvalidOption(
            option,
            wanted='a file that guests boot from',
            found=str(error),
            remedy='name one that is there and can be read',
        ) from error
