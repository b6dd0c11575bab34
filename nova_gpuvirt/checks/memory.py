"""Guests' memory: huge pages near the cards, and what may be locked.

All memory of a guest with a device through VFIO is locked. libvirt raises
RLIMIT_MEMLOCK of each QEMU for that (``qemuDomainAdjustMaxMemLock``), which
takes CAP_SYS_RESOURCE where the limit of its own service is too low
(setrlimit(2)). Huge pages: the kernel's
Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import seen
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import files
from nova_gpuvirt.host import processes

_NODES = 'sys/devices/system/node'
_DAEMONS = ('virtqemud', 'libvirtd')
# The later ones go before.
_UNITS = (
    'usr/lib/systemd/system',
    'lib/systemd/system',
    'etc/systemd/system',
)
_CAPABILITY = 'CAP_SYS_RESOURCE'
_CAPABILITY_BIT = 24
_BOUNDING = 'CapabilityBoundingSet'
_REMEDY = (
    f'give the service of libvirt {_CAPABILITY}, or LimitMEMLOCK=infinity, '
    'by systemctl edit; in a container, the capability or --ulimit memlock=-1'
)


def huge_pages(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that nodes with cards have huge pages, where others have some."""
    reserved = {n: _reserved(subject.root, n) for n in _nodes(subject.root)}
    near = {
        f.numa_node for _, f in subject.pci_gpus if f.numa_node is not None
    }
    without = sorted(n for n in near if reserved.get(n) == 0)
    if any(reserved.values()) and without:
        names = ', '.join(map(str, without))
        yield finding.warning(
            f'NUMA node {names} has cards and no huge pages, though others '
            'have some: guests that ask for them get no card near them',
            'reserve them on each node: write their number to '
            f'/{_NODES}/node{without[0]}/hugepages/*/nr_hugepages, or put '
            f"hugepages={without[0]}:N on the kernel's command line",
        )
    else:
        yield finding.passed(
            'huge pages are near the cards, or nowhere at all'
        )


def _nodes(root: files.Files) -> Iterator[int]:
    for name in seen.names(root, _NODES):
        if match := re.fullmatch(r'node(\d+)', name):
            yield int(match[1])


def _reserved(root: files.Files, node: int) -> int:
    """Count the huge pages that a node has reserved, of any size."""
    folder = f'{_NODES}/node{node}/hugepages'
    texts = (
        seen.text_if_there(root, f'{folder}/{size}/nr_hugepages')
        for size in seen.names(root, folder)
    )
    return sum(int(text) for text in texts if text and text.isdecimal())


def may_be_locked(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that libvirt may let a guest lock its memory."""
    if not subject.pci_gpus:
        yield finding.passed('no card asks for memory to be locked')
        return
    root = subject.root
    running = [pid for name in _DAEMONS for pid in processes.found(root, name)]
    if running:
        why = why_not_by_process(
            seen.text(root, f'proc/{running[0]}/status'),
            seen.text(root, f'proc/{running[0]}/limits'),
        )
    else:
        why = why_not_by_unit([*_units(root)])
    if why is None:
        yield finding.passed('libvirt may let guests lock their memory')
    else:
        yield finding.warning(why, _REMEDY)


def why_not_by_process(status: str, limits: str) -> str | None:
    """Tell why a running libvirt may not, None where it may. Pure.

    :param status: the text of its ``status`` in /proc
    :param limits: that of ``limits``
    """
    match = re.search(r'^CapEff:\s*([0-9a-f]+)', status, re.M)
    if match and int(match[1], 16) >> _CAPABILITY_BIT & 1:
        return None
    match = re.search(r'^Max locked memory\s+(\S+)\s+(\S+)', limits, re.M)
    if match and match[2] == 'unlimited':
        return None
    limit = f'{match[2]} bytes' if match else 'an unknown limit'
    return (
        f'libvirt runs without {_CAPABILITY}, with {limit} of memory to '
        'lock: larger guests with a card do not start'
    )


def _units(root: files.Files) -> Iterator[str]:
    """Give the texts of libvirt's unit and what is dropped into it.

    :raises Unseen: when there is none
    """
    found = False
    for daemon in _DAEMONS:
        for folder in _UNITS:
            unit = f'{folder}/{daemon}.service'
            text = seen.text_if_there(root, unit)
            if text is not None:
                found = True
                yield text
            for name in seen.names(root, f'{unit}.d'):
                if name.endswith('.conf'):
                    yield seen.text(root, f'{unit}.d/{name}')
        if found:
            return
    raise finding.Unseen(
        'no libvirt runs that can be seen, and no unit of it is there',
        'run nova-gpuvirt check where libvirt runs, while it runs',
    )


def why_not_by_unit(texts: list[str]) -> str | None:
    """Tell why a service may not, None where it may. Pure.

    :param texts: its unit, and what is dropped into it, in order
    """
    lines = [line.strip() for text in texts for line in text.splitlines()]
    settings = [
        (name.strip(), value.strip())
        for name, equal, value in (line.partition('=') for line in lines)
        if equal
    ]
    limits = [v for n, v in settings if n == 'LimitMEMLOCK']
    if _has_capability([v for n, v in settings if n == _BOUNDING]) or (
        limits and limits[-1].split(':')[-1] == 'infinity'
    ):
        return None
    limit = limits[-1] if limits else 'its default'
    return (
        f"libvirt's service has no {_CAPABILITY}, and {limit} of memory to "
        'lock: larger guests with a card do not start'
    )


def _has_capability(sets: list[str]) -> bool:
    """Follow the settings of a service's bounding set, see systemd.exec(5)."""
    has: bool | None = None
    for text in sets:
        without = text.startswith('~')
        names = text.removeprefix('~').split()
        if not names:
            has = without
        elif _CAPABILITY in names:
            has = not without
        elif has is None:
            has = without
    return has is not False
