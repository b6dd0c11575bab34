"""The text of each file that a PCI function has in sysfs.

Names, texts and modes are those of a real kernel (Linux 6.12). Left out are
the files that act when read or are binary: rom, resourceN, uevent, and
``config``, which `config_space` has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nova_gpuvirt.simulation import description

_FATAL = (
    'Undefined',
    'DLP',
    'SDES',
    'TLP',
    'FCP',
    'CmpltTO',
    'CmpltAbrt',
    'UnxCmplt',
    'RxOF',
    'MalfTLP',
    'ECRC',
    'UnsupReq',
    'ACSViol',
    'UncorrIntErr',
    'BlockedTLP',
    'AtomicOpBlocked',
    'TLPBlockedErr',
    'PoisonTLPBlocked',
    'DMWrReqBlocked',
    'IDECheck',
    'MisIDETLP',
    'PCRC_CHECK',
    'TLPXlatBlocked',
)
_CORRECTABLE = (
    'RxErr',
    'BadTLP',
    'BadDLLP',
    'Rollover',
    'Timeout',
    'NonFatalErr',
    'CorrIntErr',
    'HeaderOF',
)


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file of sysfs."""

    name: str
    text: str
    mode: int = 0o444


def of_function(
    function: description.Function, host: description.Host
) -> Iterator[File]:
    """Give the files of a function that no driver has, but ``resource``."""
    yield File('ari_enabled', f'{int(_has_ari(function, host))}\n')
    yield File('broken_parity_status', '0\n', 0o644)
    yield File('class', f'0x{function.class_code:06x}\n')
    yield File('consistent_dma_mask_bits', '32\n')
    yield File('d3cold_allowed', f'{int(bool(function.link))}\n', 0o644)
    yield File('device', f'0x{function.device:04x}\n')
    yield File('dma_mask_bits', '32\n')
    yield File('driver_override', '(null)\n', 0o644)
    yield File('enable', '0\n', 0o644)
    yield File('irq', '0\n')
    yield File('modalias', f'{modalias(function)}\n')
    yield File('msi_bus', '1\n', 0o644)
    yield File('numa_node', f'{function.numa_node}\n', 0o644)
    yield File('power_state', 'unknown\n')
    yield File('revision', f'0x{function.revision:02x}\n')
    yield File('subsystem_device', f'0x{function.subsystem[1]:04x}\n')
    yield File('subsystem_vendor', f'0x{function.subsystem[0]:04x}\n')
    yield File('vendor', f'0x{function.vendor:04x}\n')
    yield from _of_cpus(function.numa_node, host)
    if function.is_vga:
        yield File('boot_vga', f'{int(function.boot_vga)}\n')
    if function.reset_method is not None:
        yield File('reset', '', 0o200)
        yield File('reset_method', f'{function.reset_method}\n', 0o644)
    if function.link:
        yield from _of_link(function.link)
    if function.aer:
        yield from _of_aer()
    if function.vfs:
        yield from _of_sriov(function.vfs)


def _has_ari(function: description.Function, host: description.Host) -> bool:
    """Tell whether the port above reaches more than device 0.

    It is switched on for the first function behind it, where both can
    (``pci_configure_ari`` of drivers/pci/pci.c). One that can't have SR-IOV
    is taken for one that has no ARI.
    """
    if not host.ari or function.behind is None:
        return False
    return any(
        f.vfs is not None and f.address.endswith(':00.0')
        for f in host.behind(function.behind)
    )


def of_bridge(function: description.Function, last_bus: int) -> Iterator[File]:
    """Give what a bridge has beside a function's files.

    :param last_bus: the highest bus behind it
    """
    yield File('reset_subordinate', '', 0o200)
    yield File('subordinate_bus_number', f'{last_bus}\n')
    if function.aer:
        for kind in ('cor', 'fatal', 'nonfatal'):
            yield File(f'aer_rootport_total_err_{kind}', '0\n')


def of_bus(host: description.Host, numa_node: int) -> Iterator[File]:
    """Give the files of a bus, as in ``pci_bus/DDDD:BB``."""
    cpus, mask = _cpus(numa_node, host)
    yield File('cpuaffinity', f'{mask}\n')
    yield File('cpulistaffinity', f'{cpus}\n')


def modalias(function: description.Function) -> str:
    """Print what drivers are matched by."""
    code = function.class_code
    return (
        f'pci:v{function.vendor:08X}d{function.device:08X}'
        f'sv{function.subsystem[0]:08X}sd{function.subsystem[1]:08X}'
        f'bc{code >> 16:02X}sc{code >> 8 & 0xFF:02X}i{code & 0xFF:02X}'
    )


def _of_cpus(numa_node: int, host: description.Host) -> Iterator[File]:
    cpus, mask = _cpus(numa_node, host)
    yield File('local_cpulist', f'{cpus}\n')
    yield File('local_cpus', f'{mask}\n')


def _of_link(link: description.Link) -> Iterator[File]:
    yield File('current_link_speed', f'{link.speed}\n')
    yield File('current_link_width', f'{link.width}\n')
    yield File('max_link_speed', f'{link.max_speed}\n')
    yield File('max_link_width', f'{link.max_width}\n')


def _of_aer() -> Iterator[File]:
    for name, errors, total in (
        ('correctable', _CORRECTABLE, 'COR'),
        ('fatal', _FATAL, 'FATAL'),
        ('nonfatal', _FATAL, 'NONFATAL'),
    ):
        lines = [f'{error} 0\n' for error in (*errors, f'TOTAL_ERR_{total}')]
        yield File(f'aer_dev_{name}', ''.join(lines))


def _of_sriov(vfs: description.VirtualFunctions) -> Iterator[File]:
    yield File('sriov_drivers_autoprobe', '1\n', 0o644)
    yield File('sriov_numvfs', '0\n', 0o644)
    yield File('sriov_offset', f'{vfs.offset}\n')
    yield File('sriov_stride', f'{vfs.stride}\n')
    yield File('sriov_totalvfs', f'{vfs.total}\n')
    yield File('sriov_vf_device', f'{vfs.device:x}\n')
    yield File('sriov_vf_total_msix', '0\n')


def _cpus(numa_node: int, host: description.Host) -> tuple[str, str]:
    """Print the CPUs of a node as a list and as a mask.

    A mask is in hexadecimal, in groups of 32 CPUs (the kernel's ``%*pb``).
    """
    lists = host.cpus if numa_node < 0 else (host.cpus[numa_node],)
    numbers = {n for text in lists for n in _numbers(text)}
    count = 1 + max(n for text in host.cpus for n in _numbers(text))
    groups = []
    for low in range(0, count, 32):
        digits = -(-min(32, count - low) // 4)
        bits = sum(1 << n - low for n in numbers if low <= n < low + 32)
        groups.append(f'{bits:0{digits}x}')
    return _list(numbers), ','.join(reversed(groups))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(','):
        first, _, last = part.partition('-')
        yield from range(int(first), int(last or first) + 1)


def _list(numbers: set[int]) -> str:
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ','.join(f'{a}-{b}' if a != b else f'{a}' for a, b in runs)
