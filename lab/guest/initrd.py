"""The guest's initrd: busybox, and ``init`` beside this file."""

from __future__ import annotations

import gzip
import pathlib
import shutil
import subprocess
import tempfile

_BUSYBOX = pathlib.Path('/bin/busybox')
_INIT = pathlib.Path(__file__).parent / 'init'


def build(path: pathlib.Path) -> None:
    """Write the initrd to a file, if it is not there."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for folder in ('bin', 'dev', 'proc', 'sys'):
            (root / folder).mkdir()
        shutil.copy(_BUSYBOX, root / 'bin')
        shutil.copy(_INIT, root)
        files = sorted(str(p.relative_to(root)) for p in root.rglob('*'))
        archive = subprocess.run(
            ('cpio', '--quiet', '-o', '-H', 'newc', '--owner=+0:+0'),
            cwd=root,
            input='\n'.join(files).encode(),
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    new = path.with_suffix('.new')
    new.write_bytes(gzip.compress(archive, mtime=0))
    new.rename(path)
