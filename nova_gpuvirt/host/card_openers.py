"""Which processes of the host have a card open, through its own driver.

A card has nodes of its own: ``/dev/nvidiaN``, by the "Device Minor" in
``/proc/driver/nvidia/gpus/<address>/information`` (nv-procfs.c of NVIDIA's
open kernel modules), and those of DRM, ``/dev/dri/cardN`` and ``renderDN``.
``/dev/kfd`` is of all cards of AMD's: which of them a process computes on is
in ``/sys/class/kfd/kfd/proc`` (kfd_process.c of the kernel).
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import processes

_DRIVER = 'proc/driver/nvidia/gpus'
_KFD = 'sys/class/kfd/kfd'

Found = Sequence[tuple[int, str, bool]] | None
"""What a card's openers are made of, as privsep carries it; None where none is
seen, and one could be that is not."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Opener:
    """A process that has a card open.

    `is_own` is whether we have started it.
    """

    pid: int
    name: str
    is_own: bool = False

    def __str__(self) -> str:
        return f'process {self.pid} ({self.name})'


def find(
    root: files.Files, cards: Sequence[model.PciAddress], caller: int
) -> Sequence[Found]:
    """List the processes that have cards open, in the order of these.

    :param caller: the process for which this one looks
    """
    nodes = {card: {*_nodes(root, card)} for card in cards}
    with_nodes = [card for card in cards if nodes[card]]
    opening: dict[model.PciAddress, Sequence[int] | None] = {}
    if with_nodes:
        groups = [nodes[card] for card in with_nodes]
        looked = processes.openers_of_each(root, groups)
        opening = dict(zip(with_nodes, looked, strict=True))
    found: list[Found] = []
    for card in cards:
        seen = opening.get(card, ())
        pids = {*_computing(root, card), *(seen or ())}
        hidden = seen is None and not pids
        found.append(None if hidden else _described(root, pids, caller))
    return found


def _nodes(root: files.Files, address: model.PciAddress) -> Iterator[str]:
    for name in _names(root, f'sys/bus/pci/devices/{address}/drm'):
        if name.startswith(('card', 'renderD')):
            yield f'/dev/dri/{name}'
    text = root.text_if_readable(f'{_DRIVER}/{address}/information')
    match = re.search(r'^Device Minor:\s*(\d+)', text or '', re.M)
    if match is not None:
        yield f'/dev/nvidia{match[1]}'


def _computing(root: files.Files, address: model.PciAddress) -> Iterator[int]:
    """List the processes that compute on a card of AMD's.

    Each has a file for the memory that it has of each card, also of those
    that it does not use.
    """
    gpu_ids = {*_gpu_ids(root, address)}
    if not gpu_ids:
        return
    for pid in _names(root, f'{_KFD}/proc'):
        place = f'{_KFD}/proc/{pid}'
        memory = (root.text_if_readable(f'{place}/vram_{g}') for g in gpu_ids)
        queues = (
            root.text_if_readable(f'{place}/queues/{queue}/gpuid')
            for queue in _names(root, f'{place}/queues')
        )
        if pid.isdecimal() and (
            any(text not in (None, '0') for text in memory)
            or not gpu_ids.isdisjoint(queues)
        ):
            yield int(pid)


def _gpu_ids(root: files.Files, address: model.PciAddress) -> Iterator[str]:
    """Read by what numbers the driver calls a card, or its partitions.

    The lower 16 bits of ``location_id`` are bus, slot and function, and the
    highest four a partition's number (kfd_topology.c).
    """
    for number in _names(root, f'{_KFD}/topology/nodes'):
        node = f'{_KFD}/topology/nodes/{number}'
        properties = dict(
            re.findall(
                r'^(\w+) (\d+)$',
                root.text_if_readable(f'{node}/properties') or '',
                re.M,
            )
        )
        gpu_id = root.text_if_readable(f'{node}/gpu_id') or '0'
        if (
            gpu_id != '0'
            and int(properties.get('location_id', 0)) & 0xFFFF
            == address.routing_id
            and int(properties.get('domain', 0)) == address.domain
        ):
            yield gpu_id


def _described(root: files.Files, pids: Collection[int], caller: int) -> Found:
    parents = {caller, os.getpid()}
    found = ((pid, *_name_and_parent(root, pid)) for pid in sorted(pids))
    return [(pid, name, parent in parents) for pid, name, parent in found]


def _name_and_parent(root: files.Files, pid: int) -> tuple[str, int | None]:
    """Read a process's name, and which has started it."""
    status = root.text_if_readable(f'proc/{pid}/status') or ''
    match = re.search(r'^PPid:\s*(\d+)', status, re.M)
    name = processes.name(root, pid) or 'which has ended'
    return name, int(match[1]) if match else None


def _names(root: files.Files, folder: str) -> list[str]:
    try:
        return root.names(folder)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return []
