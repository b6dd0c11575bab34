"""Hosts that cost the scheduler work: eight cards of ten profiles each.

Each also has what Nova's own filters look at: two NUMA cells, some of whose
CPUs and memory are used, and pools of PCI devices.
"""

from __future__ import annotations

import copy
import json
import random
import uuid
from typing import Any

import os_resource_classes as orc
from nova import objects
from nova.scheduler import host_manager

from benchmarks import scheduling
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import cards

CARDS = 8
# GiB of 48, as an L40S can be cut.
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
_WANTED = 'CUSTOM_VGPU_NVIDIA_L40S_8Q'
_LAYOUT = summary.Layout(
    'NVIDIA L40S',
    tuple(
        summary.Part(
            f'CUSTOM_VGPU_NVIDIA_L40S_{size}Q',
            summary.CARD * size // 48,
            summary.Sharing.MIXED,
        )
        for size in _SIZES
    ),
)
_CPUS = 128
_MEMORY = 1 << 20
VENDOR, PRODUCT = '15b3', '101e'
# Of so many shapes each host runs some.
_SHAPES = 200
_RUNNING = 16


class Host:
    """A host with a bit of everything taken, so that no two are alike."""

    def __init__(self, number: int) -> None:
        chance = random.Random(number)
        self._uuid = _uuid(chance)
        self._providers = [_uuid(chance) for _ in range(CARDS)]
        self._candidates = json.dumps([*map(self._candidate, self._providers)])
        self._text = summary_text.dump(
            summary.Summary(
                tuple(
                    _card(provider, index, chance)
                    for index, provider in enumerate(self._providers)
                ),
                running=_running(chance),
            )
        )
        self._state = _state(f'host{number}', self._uuid, chance)

    def asked(self) -> host_manager.HostState:
        """Give what the scheduler reads for one request: all of it is new."""
        state = copy.copy(self._state)
        state.limits = {}
        state.stats = json.loads(json.dumps({summary.KEY: self._text}))
        state.allocation_candidates = json.loads(self._candidates)
        return state

    def _candidate(self, provider: str) -> dict[str, Any]:
        return {
            'allocations': {
                self._uuid: {'resources': {orc.VCPU: 8, orc.MEMORY_MB: 16384}},
                provider: {'resources': {_WANTED: 1}},
            },
            'mappings': {'': [self._uuid, provider]},
        }


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _running(
    chance: random.Random,
) -> tuple[tuple[summary.Request, int], ...]:
    """Say what runs: shapes of which a fleet has many."""
    found = {}
    for shape in chance.sample(range(_SHAPES), _RUNNING):
        part = _LAYOUT.parts[shape % len(_SIZES)]
        cpus = 1 + shape // len(_SIZES)
        request = summary.Request(
            cpus, cpus << 12, ((part.resource_class, 1),)
        )
        found[request] = chance.randrange(1, 8)
    return tuple(found.items())


def _card(provider: str, index: int, chance: random.Random) -> summary.Card:
    """Make a card that is cut at random, with room for what is wanted."""
    card = summary.Card(
        provider,
        f'0000:{0x17 + 0x10 * index:02x}:00.0',
        _LAYOUT,
        numa_node=index // 4,
        whole=True,
        left=tuple(summary.CARD // part.size for part in _LAYOUT.parts),
        vgpu=_SIZES.index(8),
    )
    for _ in range(chance.randrange(6)):
        rc = chance.choice(_LAYOUT.parts).resource_class
        taken = cards.take(card, rc, 1)
        if cards.room(card, rc) and cards.room(taken, _WANTED):
            card = taken
    return card


def _state(name: str, identity: str, chance: random.Random) -> Any:
    used = [chance.randrange(40) for _ in range(2)]
    cells = [_cell(i, n) for i, n in enumerate(used)]
    compute = scheduling.compute_node(
        name,
        uuid=identity,
        memory_mb=_MEMORY,
        free_ram_mb=_MEMORY - 4096 * sum(used),
        vcpus=_CPUS,
        vcpus_used=sum(used),
        numa_topology=objects.NUMATopology(cells=cells)._to_json(),
        pci_device_pools=objects.PciDevicePoolList(
            objects=[_pool(node, chance.randrange(1, 16)) for node in (0, 1)]
        ),
    )
    state = host_manager.HostState(name, name, None)
    state.update(compute, {}, [], {})
    return state


def _cell(number: int, used: int) -> objects.NUMACell:
    cpus = range(number * _CPUS // 2, (number + 1) * _CPUS // 2)
    memory = _MEMORY // 2
    return objects.NUMACell(
        id=number,
        cpuset=set(cpus),
        pcpuset=set(),
        memory=memory,
        cpu_usage=used,
        memory_usage=4096 * used,
        pinned_cpus=set(),
        siblings=[{cpu, cpu + 1} for cpu in cpus[::2]],
        mempages=[
            objects.NUMAPagesTopology(size_kb=4, total=memory << 8, used=0)
        ],
        network_metadata=objects.NetworkMetadata(
            physnets=set(), tunneled=False
        ),
        socket=number,
    )


def _pool(numa_node: int, count: int) -> objects.PciDevicePool:
    return objects.PciDevicePool(
        vendor_id=VENDOR,
        product_id=PRODUCT,
        numa_node=numa_node,
        tags={'dev_type': 'type-VF', 'physical_network': 'fast'},
        count=count,
    )
