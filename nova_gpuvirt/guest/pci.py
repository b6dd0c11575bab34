"""The host's PCI functions in a guest, and their places there."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt.guest import graphics
from nova_gpuvirt.guest import mirror
from nova_gpuvirt.guest import override
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.model import guest_device

# On a machine with plain PCI: the first slot behind those that QEMU's chip
# sets and libvirt give away from below.
_FIRST_PCI_SLOT = 0x10
# Where Intel's integrated GPU has to be (QEMU docs/igd-assign.txt).
_IGD_PLACE = 0, 2
_IGD_ALIAS = 'ua-igd'

Place = mirror.Place


class Hostdev(vconfig.LibvirtConfigGuestHostdevPCI):
    """A function with what Nova has no words for.

    :ivar place: its bus and slot in the guest, None for libvirt to choose
    :ivar variant: the VFIO driver that it is given to, None for the usual
    """

    def __init__(self, device: guest_device.Pci) -> None:
        super().__init__()
        self.managed = 'yes' if device.managed else 'no'
        self.domain = f'{device.host.domain:04x}'
        self.bus = f'{device.host.bus:02x}'
        self.slot = f'{device.host.slot:02x}'
        self.function = f'{device.host.function}'
        self.place: Place | None = None
        self._place_function = device.function
        self._multifunction = device.slot is not None and device.function == 0
        self.variant: str | None = None

    def format_dom(self) -> Any:
        """Add to what Nova writes, in the order of libvirt's schema."""
        dev = super().format_dom()
        if self.variant is not None:
            dev.insert(0, etree.Element('driver', model=self.variant))
        if self.alias is not None:
            dev.append(etree.Element('alias', name=self.alias))
        if self.place is not None:
            dev.append(self._address(*self.place))
        return dev

    def _address(self, bus: int, slot: int) -> Any:
        address = etree.Element(
            'address',
            type='pci',
            domain='0x0000',
            bus=f'0x{bus:02x}',
            slot=f'0x{slot:02x}',
            function=f'0x{self._place_function}',
        )
        if self._multifunction:
            address.set('multifunction', 'on')
        return address


def add(
    config: vconfig.LibvirtConfigGuest,
    devices: Collection[guest_device.Pci],
    libvirt_version: int,
    properties: override.Properties,
) -> None:
    """Add functions, those of one card into one slot.

    :param properties: takes those of QEMU that a device needs
    :raises PrepareFailed: when the guest can't have one
    """
    mirrored = mirror.add(config, _nodes(config, devices))
    places: dict[str, Place] = {}
    for device in devices:
        if (
            not device.managed
            and libvirt_version < hypervisor.LIBVIRT_WITH_VARIANTS
        ):
            raise exception.PrepareFailed(
                str(device.host),
                wanted='a guest with it, while it stays with its driver',
                found=f'libvirt {libvirt_version}, which knows vfio-pci alone',
                remedy='use libvirt 10.0.0 or newer',
            )
        hostdev = Hostdev(device)
        if libvirt_version >= hypervisor.LIBVIRT_WITH_VARIANTS:
            hostdev.variant = device.variant
        if device.igd:
            _place_igd(config, hostdev, device, libvirt_version, properties)
        elif device.card in mirrored:
            hostdev.place = mirrored[device.card]
        elif device.slot is not None:
            if device.slot not in places:
                places[device.slot] = _new_place(config, len(places))
            hostdev.place = places[device.slot]
        config.add_device(hostdev)


def _nodes(
    config: vconfig.LibvirtConfigGuest, devices: Iterable[guest_device.Pci]
) -> dict[str, int]:
    """Tell the NUMA nodes of a guest's whole cards, if it has several."""
    cards = {
        device.card: device.numa_node
        for device in devices
        if device.card is not None and not device.igd
    }
    if len(cards) < 2 or 'q35' not in (config.os_mach_type or ''):
        return {}
    return {c: node for c, node in cards.items() if node is not None}


def is_pcie(config: vconfig.LibvirtConfigGuest) -> bool:
    """Tell whether the guest's machine has PCI Express."""
    machine = config.os_mach_type or ''
    return 'q35' in machine or machine.startswith('virt')


def _new_place(config: vconfig.LibvirtConfigGuest, count: int) -> Place:
    """Make a place for a card of several functions."""
    if not is_pcie(config):
        return 0, _FIRST_PCI_SLOT + count
    port = vconfig.LibvirtConfigGuestPCIeRootPortController()
    port.index = mirror.next_index(config)
    config.add_device(port)
    return port.index, 0


def _place_igd(
    config: vconfig.LibvirtConfigGuest,
    hostdev: Hostdev,
    device: guest_device.Pci,
    libvirt_version: int,
    properties: override.Properties,
) -> None:
    """Give Intel's integrated GPU what its drivers look for (GVT-d).

    On i440fx QEMU's legacy mode does all of it, when the GPU is at 00:02.0
    and no other graphics device is there. On q35 the OpRegion is asked for;
    upstream's OVMF has no use for it, so a guest with UEFI has no screen and
    mostly no driver (QEMU docs/igd-assign.txt).
    """
    machine = config.os_mach_type or 'pc'
    if not machine.startswith(('pc', 'q35')):
        raise _no_igd(device, f'the machine {machine}')
    if config.os_loader or config.os_firmware:
        raise _no_igd(device, 'UEFI, which has no use for its OpRegion')
    hostdev.place = _IGD_PLACE
    if not is_pcie(config):
        graphics.give_screen(config, graphics.Screen(f'GPU {device.host}'))
        return
    if libvirt_version < hypervisor.LIBVIRT_WITH_OVERRIDE:
        raise exception.PrepareFailed(
            str(device.host),
            wanted='a guest that can have an integrated GPU of Intel',
            found=f'libvirt {libvirt_version}, which can not ask for it',
            remedy='use libvirt 8.2.0 or newer, or an image with '
            'hw_machine_type=pc',
        )
    hostdev.alias = _IGD_ALIAS
    properties[_IGD_ALIAS] = {'x-igd-opregion': True}


def _no_igd(
    device: guest_device.Pci, found: str
) -> exception.RequestImpossible:
    return exception.RequestImpossible(
        str(device.host),
        wanted='a guest that can have an integrated GPU of Intel',
        found=found,
        remedy='use an image with hw_machine_type=pc and '
        'hw_firmware_type=bios',
    )
