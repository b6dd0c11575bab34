"""What a host's kernel says of itself and its processor.

:param root: of every function here, the host's files
"""

from __future__ import annotations

import functools
import re

from nova_gpuvirt.host import files

_HEX = re.compile('[0-9a-f]{1,16}')


def release(root: files.Files) -> str | None:
    """Read the kernel's release, as ``6.8.0-31-generic``."""
    return root.text_if_readable('proc/sys/kernel/osrelease')


def boot_id(root: files.Files) -> str | None:
    """Read what names this start of the host, and no other."""
    text = root.text_if_readable('proc/sys/kernel/random/boot_id')
    return text.strip() or None if text else None


def is_at_least(root: files.Files, major: int, minor: int) -> bool:
    """Tell whether the kernel is of that release, or a newer one."""
    match = re.match(r'([0-9]{1,9})\.([0-9]{1,9})', release(root) or '')
    return match is not None and (int(match[1]), int(match[2])) >= (
        major,
        minor,
    )


def driver_is_loaded(root: files.Files, name: str) -> bool:
    """Tell whether a PCI driver is there."""
    return root.exists(f'sys/bus/pci/drivers/{name}')


def has_driver(root: files.Files, name: str) -> bool:
    """Tell whether a PCI driver is loaded or could be.

    libvirt loads what the kernel has a module of. Where no modules can be
    seen, it is left to libvirt to say so.
    """
    return can_have_driver(root, name) is not False


def can_have_driver(root: files.Files, name: str) -> bool | None:
    """Tell whether a PCI driver is loaded, or the kernel has a module of it.

    :returns: None where no modules can be seen
    """
    if driver_is_loaded(root, name):
        return True
    folder = f'lib/modules/{release(root) or "-"}'
    try:
        changed = root.changed(f'{folder}/modules.dep')
        return name in _modules(root, folder, changed)
    except OSError:
        return None


def parameter(root: files.Files, module: str, name: str) -> str | None:
    """Read a parameter of a kernel module, None where there is none."""
    return root.text_if_readable(f'sys/module/{module}/parameters/{name}')


def version(root: files.Files, module: str) -> str | None:
    """Read the version of a loaded module, None where it tells none."""
    return root.text_if_readable(f'sys/module/{module}/version')


def host_name(root: files.Files) -> str | None:
    """Read the name of the host."""
    return root.text_if_readable('proc/sys/kernel/hostname')


def physical_bits(root: files.Files) -> int | None:
    """Read how wide the processor's physical addresses are."""
    text = root.text_if_readable('proc/cpuinfo') or ''
    match = re.search(
        r'^address sizes[ \t]*:[ \t]*([0-9]{1,3}) bits phys', text, re.M
    )
    return int(match[1]) if match else None


def iommu_bits(root: files.Files) -> int | None:
    """Read how wide the addresses of Intel's IOMMUs are, the narrowest.

    Bits 16 to 21 of the capability register are the width less one (QEMU
    docs/igd-assign.txt). AMD's have no such file.
    """
    folder = 'sys/class/iommu'
    try:
        units = root.names(folder)
    except OSError:
        return None
    registers = (
        root.text_if_readable(f'{folder}/{u}/intel-iommu/cap') for u in units
    )
    values = (int(r, 16) for r in registers if r and _HEX.fullmatch(r))
    return min(((v >> 16 & 0x3F) + 1 for v in values), default=None)


@functools.lru_cache(maxsize=8)
def _modules(root: files.Files, folder: str, changed: int) -> frozenset[str]:
    """Name the modules of a kernel, as long as its list has not changed."""
    return frozenset(
        match[1]
        for file in ('modules.dep', 'modules.builtin')
        for match in re.finditer(
            r'^(?:\S*/)?([^/\s]+)\.ko',
            root.text(f'{folder}/{file}', errors='replace'),
            re.M,
        )
    )
