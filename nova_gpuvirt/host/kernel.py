"""What a host's kernel says of itself and its processor.

:param root: of every function here, the folder that holds ``sys``
"""

from __future__ import annotations

import functools
import pathlib
import re

_HEX = re.compile('[0-9a-f]+')


def release(root: pathlib.Path) -> str | None:
    """Read the kernel's release, as ``6.8.0-31-generic``."""
    return _text(root / 'proc/sys/kernel/osrelease')


def driver_is_loaded(root: pathlib.Path, name: str) -> bool:
    """Tell whether a PCI driver is there."""
    return (root / 'sys/bus/pci/drivers' / name).exists()


def has_driver(root: pathlib.Path, name: str) -> bool:
    """Tell whether a PCI driver is loaded or could be.

    libvirt loads what the kernel has a module of. Where no modules can be
    seen, it is left to libvirt to say so.
    """
    if driver_is_loaded(root, name):
        return True
    folder = root / 'lib/modules' / (release(root) or '-')
    try:
        changed = (folder / 'modules.dep').stat().st_mtime_ns
        return name in _modules(folder, changed)
    except OSError:
        return True


def parameter(root: pathlib.Path, module: str, name: str) -> str | None:
    """Read a parameter of a kernel module, None where there is none."""
    return _text(root / 'sys/module' / module / 'parameters' / name)


def physical_bits(root: pathlib.Path) -> int | None:
    """Read how wide the processor's physical addresses are."""
    text = _text(root / 'proc/cpuinfo') or ''
    match = re.search(r'^address sizes\s*:\s*(\d+) bits phys', text, re.M)
    return int(match[1]) if match else None


def iommu_bits(root: pathlib.Path) -> int | None:
    """Read how wide the addresses of Intel's IOMMUs are, the narrowest.

    Bits 16 to 21 of the capability register are the width less one (QEMU
    docs/igd-assign.txt). AMD's have no such file.
    """
    registers = (
        _text(path)
        for path in (root / 'sys/class/iommu').glob('*/intel-iommu/cap')
    )
    values = (int(r, 16) for r in registers if r and _HEX.fullmatch(r))
    return min(((v >> 16 & 0x3F) + 1 for v in values), default=None)


@functools.lru_cache(maxsize=8)
def _modules(folder: pathlib.Path, changed: int) -> frozenset[str]:
    """Name the modules of a kernel, as long as its list has not changed."""
    return frozenset(
        match[1]
        for file in ('modules.dep', 'modules.builtin')
        for match in re.finditer(
            r'^(?:\S*/)?([^/\s]+)\.ko', (folder / file).read_text(), re.M
        )
    )


def _text(path: pathlib.Path) -> str | None:
    try:
        return path.read_text().rstrip('\n')
    except OSError:
        return None
