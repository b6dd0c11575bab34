"""What NVIDIA's driver has of each card in /proc, and who opens the card.

Sources: nv-procfs.c, nv.c and nv-pci.c of NVIDIA's open kernel modules, and
the file ``information`` as users show it. The lock is granted while no process
has the card open, and keeps all from opening it. Unbinding polls without end
until no process has the card open.
"""

from __future__ import annotations

import errno

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import iommu
from nova_gpuvirt.simulation.kernel import processes

DRIVER = 'nvidia'
_GPUS = 'proc/driver/nvidia/gpus'


class NvidiaProc:
    """The cards that NVIDIA's driver has, by their addresses."""

    def __init__(
        self, place: folder.Folder, running: processes.Processes
    ) -> None:
        self._folder = place
        self._processes = running
        self._minors = iommu.Numbers()
        self._cards: dict[str, int] = {}
        self._locked: set[str] = set()

    def add(self, function: description.Function, driver: str) -> None:
        """Show a card, if NVIDIA's driver has it; VFs are not shown."""
        if driver != DRIVER or function.physfn is not None:
            return
        minor = self._minors.take()
        self._cards[function.address] = minor
        self._folder.file(
            f'{_GPUS}/{function.address}/information',
            f'Model: \t\t NVIDIA {function.device:04X}\n'
            'IRQ:   \t\t 34\n'
            'Bus Type: \t PCIe\n'
            'DMA Size: \t 47 bits\n'
            'DMA Mask: \t 0x7fffffffffff\n'
            f'Bus Location: \t {function.address}\n'
            f'Device Minor: \t {minor}\n'
            'GPU Excluded:\t No\n',
            0o444,
        )
        self._show_lock(function.address)

    def remove(self, address: str) -> None:
        """Show a card no longer, and forget its lock."""
        minor = self._cards.pop(address, None)
        if minor is not None:
            self._minors.release(minor)
            self._locked.discard(address)
            self._folder.remove(f'{_GPUS}/{address}')

    def is_open(self, address: str) -> bool:
        """Tell whether a process has a card open."""
        minor = self._cards.get(address)
        node = f'/dev/nvidia{minor}'
        return minor is not None and self._processes.have(node)

    def check_may_open(self, node: str) -> None:
        """Let a process open a node.

        :raises OSError: ENODEV for that of a card that is locked
        """
        for address in self._locked:
            if node == f'/dev/nvidia{self._cards[address]}':
                raise refusal(errno.ENODEV, f'{address} is to be unbound')

    def write_lock(self, address: str, text: str) -> None:
        """Do what a write to ``unbindLock`` does; it says nothing itself."""
        if text.strip() == '1' and not self.is_open(address):
            self._locked.add(address)
        elif text.strip() == '0':
            self._locked.discard(address)
        self._show_lock(address)

    def _show_lock(self, address: str) -> None:
        text = f'{int(address in self._locked)}\n'
        self._folder.file(f'{_GPUS}/{address}/unbindLock', text, 0o644)
