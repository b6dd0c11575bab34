"""A guest of a simulated libvirt."""

from __future__ import annotations

import copy
from typing import Any

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model

_VFIO = 'vfio-pci'
_PCI_HOSTDEV = "hostdev[@type='pci']"
# What Nova's fake keeps only a part of, below <devices> and beside it.
_OURS = ('controller', 'graphics', 'hostdev', 'video')
_OURS_BESIDE = (
    'cpu',
    'memoryBacking',
    '{http://libvirt.org/schemas/domain/qemu/1.0}override',
)
_MDEV = "hostdev[@type='mdev']/source/address"


class Domain(fakelibvirt.Domain):
    """A guest, which takes its hostdevs when it starts."""

    def __init__(self, connection: Any, xml: str) -> None:
        self._given = etree.fromstring(xml)
        self._hostdevs = self._given.find('devices')
        self._taken_pci: list[tuple[str, bool]] = []
        self._taken_mdevs: list[str] = []
        super().__init__(connection, xml)

    def createWithFlags(self, flags: int) -> None:  # noqa: N802
        """Take the hostdevs and start, or take none."""
        try:
            self._take()
        except fakelibvirt.libvirtError:
            self.give_back()
            raise
        super().createWithFlags(flags)

    def _take(self) -> None:
        for element in self._hostdevs.findall(_PCI_HOSTDEV):
            address = str(_address_of_hostdev(element.find('source/address')))
            managed = element.get('managed') == 'yes'
            variant = element.find('driver')
            driver = _VFIO if variant is None else variant.get('model')
            self._connection.take_pci(
                address, driver if managed else None, self.name()
            )
            self._taken_pci.append((address, managed))
        for address, _ in self._taken_pci:
            self._connection.check_group(address)
        for element in self._hostdevs.findall(_MDEV):
            self._connection.take_mdev(element.get('uuid'))
            self._taken_mdevs.append(element.get('uuid'))

    def give_back(self) -> None:
        """Give back what was taken, when the guest has ended."""
        while self._taken_pci:
            address, managed = self._taken_pci.pop()
            self._connection.give_back_pci(address, managed=managed)
        while self._taken_mdevs:
            self._connection.simulated.release_hold(self._taken_mdevs.pop())

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Print the guest, with all that it was given of what is ours.

        Nova's fake forgets what it does not know, such as a device's place
        in the guest.
        """
        domain = etree.fromstring(super().XMLDesc(flags))
        devices = domain.find('devices')
        for tag in _OURS:
            for element in devices.findall(tag):
                devices.remove(element)
            devices.extend(
                copy.deepcopy(self._given.findall(f'devices/{tag}'))
            )
        for tag in _OURS_BESIDE:
            for element in domain.findall(tag):
                domain.remove(element)
            domain.extend(copy.deepcopy(self._given.findall(tag)))
        return str(
            etree.tostring(domain, encoding='unicode', pretty_print=True)
        )


def _address_of_hostdev(element: Any) -> model.PciAddress:
    return model.PciAddress(
        *(
            int(element.get(part), 16)
            for part in ('domain', 'bus', 'slot', 'function')
        )
    )
