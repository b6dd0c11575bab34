"""The QEMU that runs the VM.

It is newer than Debian 12's, for SR-IOV and vfio-user. It is only unpacked,
and started by the dynamic linker that came with it: nothing is mounted.
"""

from __future__ import annotations

import os
import pathlib
import select
import subprocess
import time

from lab.host import debian
from lab.host import machine
from lab.host import places

PACKAGES = ('qemu-system-x86', 'seabios')
SUITE = 'trixie-backports'
LINKER = places.QEMU / 'usr/lib64/ld-linux-x86-64.so.2'

_LIBRARIES = places.QEMU / 'usr/lib/x86_64-linux-gnu'
# How long a kernel has for its first line, when KVM is tried.
_PROBE_SECONDS = 2.0


def unpack(target: pathlib.Path) -> None:
    """Unpack it.

    :raises CommandFailed: when mmdebstrap can't
    """
    debian.unpack(target, SUITE, PACKAGES)


def arguments() -> list[str]:
    """Write what the linker has to be told, to be QEMU."""
    shares = (places.QEMU / 'usr/share' / n for n in ('qemu', 'seabios'))
    return [
        *('--library-path', str(_LIBRARIES)),
        str(places.QEMU / 'usr/bin/qemu-system-x86_64'),
        *(word for share in shares for word in ('-L', str(share))),
    ]


def environment() -> dict[str, str]:
    """Let it find its own modules before those of another QEMU."""
    return {'QEMU_MODULE_DIR': str(_LIBRARIES / 'qemu')}


def has_kvm(kernel: pathlib.Path) -> bool:
    """Try whether KVM runs a stock kernel here.

    That /dev/kvm can be opened says little: some run only kernels that were
    made for them.
    """
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return False
    command = [str(LINKER), *arguments(), *machine.probe(str(kernel))]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as tried:
        assert tried.stdout is not None
        said = b''
        end = time.monotonic() + _PROBE_SECONDS
        while (left := end - time.monotonic()) > 0:
            if select.select([tried.stdout], [], [], left)[0]:
                part = os.read(tried.stdout.fileno(), 4096)
                said += part
                if not part or b'Linux version' in said:
                    break
        tried.kill()
    return b'Linux version' in said
