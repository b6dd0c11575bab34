"""A guest's PCI Express as near to the host's as its cards are.

Libraries such as NCCL read from sysfs which cards are near to each other and
to which memory. So each NUMA node of the host that gives cards becomes an
expander bus of the guest (QEMU's pxb-pcie), with a root port for each card.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

Place = tuple[int, int]
"""A bus and a slot of the guest."""

# Bus numbers from here on are the expanders'; those below are for what is on
# the guest's own root bus. A guest has 256.
_FIRST_BUS = 64
_BUSES = 256


class Expander(vconfig.LibvirtConfigGuestController):
    """A root bus of its own, on a NUMA node of the guest if it has some.

    :param first_bus: the number of the bus; those of its ports follow
    """

    def __init__(self, index: int, first_bus: int, cell: int | None) -> None:
        super().__init__()
        self.type = 'pci'
        self.model = 'pcie-expander-bus'
        self.index = index
        self.first_bus = first_bus
        self.cell = cell

    def format_dom(self) -> Any:
        """Add to what Nova writes, in the order of libvirt's schema."""
        dev = super().format_dom()
        etree.SubElement(dev, 'model', name='pxb-pcie')
        target = etree.SubElement(dev, 'target', busNr=str(self.first_bus))
        if self.cell is not None:
            etree.SubElement(target, 'node').text = str(self.cell)
        return dev


class Port(vconfig.LibvirtConfigGuestPCIeRootPortController):
    """A root port on an expander's bus."""

    def __init__(self, index: int, expander: int, slot: int) -> None:
        super().__init__()
        self.index = index
        self.place = expander, slot

    def format_dom(self) -> Any:
        """Add its place to what Nova writes."""
        dev = super().format_dom()
        bus, slot = self.place
        etree.SubElement(
            dev,
            'address',
            type='pci',
            domain='0x0000',
            bus=f'0x{bus:02x}',
            slot=f'0x{slot:02x}',
            function='0x0',
        )
        return dev


def add(
    config: vconfig.LibvirtConfigGuest, cards: Mapping[str, int]
) -> dict[str, Place]:
    """Make an expander for each of the host's nodes, and a port for a card.

    :param cards: the host's NUMA node of each card
    :returns: the place of each card
    """
    by_node: dict[int, list[str]] = defaultdict(list)
    for card, node in cards.items():
        by_node[node].append(card)
    if not by_node:
        return {}
    cells = _cells(config)
    room = (_BUSES - _FIRST_BUS) // len(by_node)
    places = {}
    for number, (node, names) in enumerate(sorted(by_node.items())):
        expander = Expander(
            next_index(config), _FIRST_BUS + number * room, cells.get(node)
        )
        config.add_device(expander)
        for slot, name in enumerate(names):
            port = Port(next_index(config), expander.index, slot)
            config.add_device(port)
            places[name] = port.index, 0
    return places


def next_index(config: vconfig.LibvirtConfigGuest) -> int:
    """Give the next number of a PCI controller; libvirt fills the gaps.

    Nova's own root ports have none: libvirt numbers them around ours.
    """
    used = [
        device.index
        for device in config.devices
        if isinstance(device, vconfig.LibvirtConfigGuestController)
        and device.type == 'pci'
        and device.index is not None
    ]
    return max(used, default=0) + 1


def _cells(config: vconfig.LibvirtConfigGuest) -> dict[int, int]:
    """Tell which cell of the guest has memory of which node of the host.

    A guest whose memory comes from anywhere has none that would fit.
    """
    if config.cpu is None or config.cpu.numa is None:
        return {}
    tune = config.numatune
    cells = {}
    for node in tune.memnodes if tune is not None else ():
        if len(node.nodeset) == 1:
            cells[next(iter(node.nodeset))] = node.cellid
    return cells
