"""Put our devices into the guest that Nova configures."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import model

# On a machine with plain PCI: the first slot behind those that QEMU's chip
# sets and libvirt give away from below.
_FIRST_PCI_SLOT = 0x10


class HostdevAt(vconfig.LibvirtConfigGuestHostdevPCI):
    """A hostdev whose place in the guest is chosen here."""

    def __init__(self, bus: int, slot: int, function: int) -> None:
        super().__init__()
        self._guest_address = {
            'type': 'pci',
            'domain': '0x0000',
            'bus': f'0x{bus:02x}',
            'slot': f'0x{slot:02x}',
            'function': f'0x{function}',
        }
        if function == 0:
            self._guest_address['multifunction'] = 'on'

    def format_dom(self) -> Any:
        """Add the address to what Nova writes."""
        dev = super().format_dom()
        dev.append(etree.Element('address', **self._guest_address))
        return dev


def add_devices(
    guest: vconfig.LibvirtConfigGuest,
    devices: Collection[model.GuestDevice],
) -> None:
    """Add devices to a guest's configuration, each once.

    Nova has put those mdevs in already that it saw in the guest's earlier
    XML: hard reboot and rescue do so.
    """
    present = {
        device.uuid
        for device in guest.devices
        if isinstance(device, vconfig.LibvirtConfigGuestHostdevMDEV)
    }
    places: dict[str, tuple[int, int]] = {}
    for device in devices:
        if isinstance(device, model.GuestPci):
            if device.slot is not None and device.slot not in places:
                places[device.slot] = _new_place(guest, len(places))
            guest.add_device(_hostdev(device, places))
        elif str(device.uuid) not in present:
            mdev = vconfig.LibvirtConfigGuestHostdevMDEV()
            mdev.uuid = str(device.uuid)
            guest.add_device(mdev)


def _new_place(
    guest: vconfig.LibvirtConfigGuest, count: int
) -> tuple[int, int]:
    """Make a place for a card of several functions: its bus and slot."""
    machine = guest.os_mach_type or ''
    if 'q35' not in machine and not machine.startswith('virt'):
        return 0, _FIRST_PCI_SLOT + count
    port = vconfig.LibvirtConfigGuestPCIeRootPortController()
    port.index = 1 + count
    guest.add_device(port)
    return port.index, 0


def _hostdev(
    device: model.GuestPci, places: dict[str, tuple[int, int]]
) -> vconfig.LibvirtConfigGuestHostdevPCI:
    if device.slot is None:
        hostdev = vconfig.LibvirtConfigGuestHostdevPCI()
    else:
        hostdev = HostdevAt(*places[device.slot], device.function)
    hostdev.managed = 'yes' if device.managed else 'no'
    hostdev.domain = f'{device.host.domain:04x}'
    hostdev.bus = f'{device.host.bus:02x}'
    hostdev.slot = f'{device.host.slot:02x}'
    hostdev.function = f'{device.host.function}'
    return hostdev
