"""What a capture has in it, in words: for who decides whether it may leave.

Each file of the host that was read belongs to a line here, or is listed by
itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import paragraph
from nova_gpuvirt.capture import document as document_

_ADDRESS = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]'
_FUNCTION = 'sys/bus/pci/devices/[^/]+'
_KINDS = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        (
            'PCI functions: class, ids, driver, BARs, NUMA node, links',
            rf'sys/bus/pci/devices|{_FUNCTION}(/(aer_dev_(fatal|nonfatal)'
            r'|boot_vga|class|config|device|driver(_override)?|iommu_group'
            r'|numa_node|physfn|reset|reset_method|resource|sriov_totalvfs'
            r'|subsystem_(device|vendor)|vendor|virtfn\d+|vfio-dev))?',
        ),
        (
            'what drivers of cards say of vGPUs, VFs and partitions',
            rf'{_FUNCTION}/(([0-9a-f-]{{36}}/)?mdev_|nvidia/|drm|sriov_admin/'
            r'|xgmi_hive_info/|\w+_partition_mode).*'
            r'|sys/kernel/debug/dri/[^/]+/.*(lmem|vram)_quota',
        ),
        ('IOMMU groups', 'sys/kernel/iommu_groups/.*|sys/class/iommu.*'),
        ('render nodes', 'sys/class/drm(/renderD.*)?'),
        ('vGPUs (mdevs)', 'sys/bus/mdev/devices/.*'),
        (
            'the kernel: release, drivers, parameters of modules',
            r'proc/sys/kernel/osrelease|sys/bus/pci/drivers/[^/]+'
            r'|sys/module/[^/]+/(parameters/\w+|version)'
            r'|lib/modules/[^/]+/modules\.\w+|usr/libexec/virgl_render_server',
        ),
        ("the width of the processor's addresses", 'proc/cpuinfo'),
        (
            'processes: daemons of GPUs, and who has a GPU open',
            r'proc|proc/\d+/(comm|fd(/\d+)?)',
        ),
        (
            'which processes have a card, or a function of it, open',
            _ADDRESS,
        ),
    )
)


def listed(
    document: document_.Document, replaced: Mapping[str, int], left_out: int
) -> str:
    """List it, in lines of a terminal.

    :param replaced: how many secrets were replaced, by their kind
    :param left_out: how many processes were
    """
    return '\n'.join(_lines(document, replaced, left_out))


def unknown(document: document_.Document) -> list[str]:
    """List the files that belong to no line."""
    return sorted({q.path for q in document.files if _kind(q.path) is None})


def _lines(
    document: document_.Document, replaced: Mapping[str, int], left_out: int
) -> Iterator[str]:
    yield 'Of the host there are in the capture, as numbers of answers:'
    counts = Counter(_kind(q.path) for q in document.files)
    for words, _ in _KINDS:
        if counts[words]:
            yield from _item(counts[words], words)
    for path in unknown(document):
        yield from _item(1, f'/{path}')
    if names := document.names.count('\n'):
        yield from _item(names, 'names of PCI vendors and devices')
    yield from _dialogue('', document.commands)
    yield from _dialogue('libvirt on ', document.libvirt)
    for key, value in document.made.items():
        yield from _item(0, f'{key}: {value}')
    if not document.libvirt:
        yield from _item(0, 'libvirt was not asked')
    found = [f'{count} {kind}' for kind, count in replaced.items() if count]
    yield from paragraph.lines(
        f'Replaced, the same by the same: {", ".join(found) or "nothing"}.'
    )
    if left_out:
        yield from paragraph.lines(
            f'Left out: the other processes of this host ({left_out}).'
        )


def _dialogue(who: str, said: document_.Dialogue) -> Iterator[str]:
    counts = Counter(
        ' '.join(re.sub(_ADDRESS, 'ADDRESS', word) for word in argv)
        for argv in said
    )
    for words, count in counts.items():
        yield from _item(count, f'what {who}"{words}" said')


def _kind(path: str) -> str | None:
    return next((w for w, pattern in _KINDS if pattern.fullmatch(path)), None)


def _item(count: int, text: str) -> list[str]:
    return paragraph.lines(text, f'{count or "":>6}  ', ' ' * 8)
