"""What amdgpu shows of those who compute on its cards.

Sources: kfd_topology.c and kfd_process.c of the kernel: a node for each card,
and for each process a file for each card, used or not.
"""

from __future__ import annotations

import re

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files import folder

NODE = '/dev/kfd'
_KFD = 'sys/class/kfd/kfd'
_DRIVER = 'amdgpu'
_MEMORY = 1 << 30


class Kfd:
    """The cards that amdgpu has."""

    def __init__(self, place: folder.Folder, host: description.Host) -> None:
        self._folder = place
        # Node 0 is the processor's, without a card.
        self._nodes = {
            f.address: number
            for number, f in enumerate(
                (f for f in host.functions if f.driver == _DRIVER), 1
            )
        }
        self._gpu_ids: dict[str, int] = {}

    def add(self, function: description.Function, driver: str) -> None:
        """Show a card as a node of the topology, if amdgpu has it."""
        number = self._nodes.get(function.address)
        if driver != _DRIVER or number is None:
            return
        domain, bus, slot, last = (
            int(n, 16) for n in re.split('[:.]', function.address)
        )
        location = bus << 8 | slot << 3 | last
        self._gpu_ids[function.address] = gpu_id = 1000 + location
        place = f'{_KFD}/topology/nodes/{number}'
        self._folder.file(f'{_KFD}/topology/nodes/0/gpu_id', '0\n', 0o444)
        self._folder.file(f'{place}/gpu_id', f'{gpu_id}\n', 0o444)
        self._folder.file(
            f'{place}/properties',
            f'vendor_id {function.vendor}\ndevice_id {function.device}\n'
            f'location_id {location}\ndomain {domain}\n',
            0o444,
        )

    def remove(self, address: str) -> None:
        """Show a card no longer."""
        if self._gpu_ids.pop(address, None) is not None:
            node = f'{_KFD}/topology/nodes/{self._nodes[address]}'
            self._folder.remove(node)

    def compute(self, pid: int, address: str) -> None:
        """Let a process compute on one card.

        :raises LookupError: when amdgpu does not have it
        """
        if address not in self._gpu_ids:
            raise LookupError(f'amdgpu does not have {address}')
        for card, gpu_id in self._gpu_ids.items():
            memory = _MEMORY if card == address else 0
            path = f'{_KFD}/proc/{pid}/vram_{gpu_id}'
            self._folder.file(path, f'{memory}\n', 0o444)

    def end(self, pid: int) -> None:
        """Let a process end."""
        self._folder.remove(f'{_KFD}/proc/{pid}')
