"""What is asked of libvirt beside the guests' own XML.

No libvirt module is imported here: Nova owns the connection, and in its
tests another module stands in for libvirt.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from nova_gpuvirt import exception
from nova_gpuvirt import model

_ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE


class Hypervisor:
    """A host's libvirt.

    :param connect: returns an open `virConnect` whenever it is called
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    def create_mdev(
        self, parent: model.PciAddress, type_id: str, mdev: uuid.UUID
    ) -> None:
        """Create an mdev, for as long as the host runs.

        Nothing is defined: Nova builds each guest anew after a reboot of
        the host, and its vGPUs with it.

        :raises PrepareFailed: when libvirt or the driver refuses
        """
        device = ElementTree.Element('device')
        ElementTree.SubElement(device, 'parent').text = parent.nodedev
        mdev_xml = ElementTree.SubElement(device, 'capability', type='mdev')
        ElementTree.SubElement(mdev_xml, 'type', id=type_id)
        ElementTree.SubElement(mdev_xml, 'uuid').text = str(mdev)
        try:
            self._connect().nodeDeviceCreateXML(
                ElementTree.tostring(device, encoding='unicode'), 0
            )
        except Exception as error:
            raise exception.PrepareFailed(
                str(parent),
                wanted=f'a vGPU of type {type_id} as {mdev}',
                found=f'that libvirt refuses: {error}',
                remedy='compare `nova-gpuvirt discover` with the claims, and '
                "look for the driver's reason in the kernel log",
            ) from error

    def remove_mdev(self, parent: str, mdev: uuid.UUID) -> None:
        """Remove an mdev.

        :param parent: the mdev's parent, as sysfs names it
        :raises ReleaseFailed: when libvirt or the driver refuses
        """
        name = f'mdev_{mdev}'.replace('-', '_')
        try:
            connection = self._connect()
            # Since libvirt 7.7 the name ends with the parent's address.
            full = next(
                (
                    n
                    for n in connection.listDevices('mdev', 0)
                    if n.startswith(name)
                ),
                name,
            )
            connection.nodeDeviceLookupByName(full).destroy()
        except Exception as error:
            raise exception.ReleaseFailed(
                parent,
                wanted=f'to remove the vGPU {mdev}',
                found=f'that libvirt refuses: {error}',
                remedy='it is tried again with each periodic update',
            ) from error

    def holder(self, mdev: uuid.UUID) -> str | None:
        """Name the running guest that has an mdev, None where there is none.

        :raises ReleaseFailed: when libvirt doesn't answer
        """
        try:
            for domain in self._connect().listAllDomains(_ACTIVE):
                if str(mdev) in domain.XMLDesc(0):
                    return str(domain.UUIDString())
        except Exception as error:
            raise exception.ReleaseFailed(
                str(mdev),
                wanted='to know that no guest has it',
                found=f'no answer from libvirt: {error}',
                remedy='it is tried again with each periodic update',
            ) from error
        return None
