"""A libvirt on a simulated host, on top of the fake one of Nova's tests.

Guests and node devices act on the host's sysfs as libvirt does, and are
refused what the kernel refuses.
"""

from __future__ import annotations

import errno
import os
import uuid
from typing import Any

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt import sysfs
from nova_gpuvirt.testing import simulated

_VFIO = 'vfio-pci'
_PCI = '/sys/bus/pci'
_BRIDGE = '0x0604'
_PCI_MANAGED = "hostdev[@type='pci'][@managed='yes']/source/address"
_MDEV = "hostdev[@type='mdev']/source/address"


class Connection(fakelibvirt.Connection):
    """A connection to the libvirt of one simulated host."""

    def __init__(self, host: simulated.SimulatedHost, **kwargs: Any) -> None:
        super().__init__('qemu:///system', **kwargs)
        self.simulated = host
        self.sysfs = sysfs.Sysfs(host.root)

    # Node devices

    def nodeDeviceCreateXML(self, xml: str, flags: int) -> Any:  # noqa: N802
        """Create an mdev, as libvirt does through mdevctl."""
        device = etree.fromstring(xml)
        address = _address_of_nodedev(device.findtext('parent'))
        type_id = device.find('capability/type').get('id')
        mdev = device.findtext('capability/uuid')
        self._write(
            f'{_PCI}/devices/{address}/mdev_supported_types/{type_id}/create',
            mdev,
            'Unable to start mediated device',
        )
        return Mdev(self, uuid.UUID(mdev))

    def listDevices(self, cap: str, flags: int) -> Any:  # noqa: N802
        """List node devices; the mdevs are those of the host's sysfs."""
        if cap != 'mdev':
            return super().listDevices(cap, flags)
        return [
            Mdev(self, uuid.UUID(name)).name()
            for name in os.listdir(
                self.simulated.root / 'sys/bus/mdev/devices'
            )
        ]

    def nodeDeviceLookupByName(self, name: str) -> Any:  # noqa: N802
        """Look up a node device."""
        if not name.startswith('mdev_'):
            return super().nodeDeviceLookupByName(name)
        mdev = uuid.UUID('-'.join(name.split('_')[1:6]))
        if self.sysfs.mdev_parent(mdev) is None:
            raise _error(
                fakelibvirt.VIR_ERR_NO_NODE_DEVICE,
                f"no node device with matching name '{name}'",
            )
        return Mdev(self, mdev)

    def remove_mdev(self, mdev: uuid.UUID) -> None:
        """Remove an mdev, as libvirt does through mdevctl."""
        self._write(
            f'/sys/bus/mdev/devices/{mdev}/remove',
            '1',
            'Unable to destroy mediated device',
        )

    # Guests

    def defineXML(self, xml: str) -> Any:  # noqa: N802
        """Define a guest."""
        domain = Domain(self, xml)
        self._vms[domain.name()] = domain
        self._emit_lifecycle(domain, fakelibvirt.VIR_DOMAIN_EVENT_DEFINED, 0)
        return domain

    def _mark_not_running(self, domain: Any) -> None:
        super()._mark_not_running(domain)
        domain.give_back()

    def take_pci(self, address: str, domain: str) -> None:
        """Move a function to vfio-pci and open it for a guest."""
        if not os.path.lexists(f'{self.simulated.root}{_device(address)}'):
            raise _error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'Device {address} not found: could not access '
                f'{_device(address)}/config: No such file or directory',
            )
        if self.simulated.held(address):
            raise _error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                f'Requested operation is not valid: PCI device {address} is '
                f'in use by driver QEMU, domain {domain}',
            )
        self._bind(address, _VFIO)
        self.simulated.hold(address)

    def give_back_pci(self, address: str) -> None:
        """Close a function and give it back to its driver."""
        self.simulated.release_hold(address)
        if os.path.lexists(f'{self.simulated.root}{_device(address)}'):
            self._bind(address, '\n')

    def take_mdev(self, mdev: str) -> None:
        """Open an mdev for a guest."""
        if self.sysfs.mdev_parent(uuid.UUID(mdev)) is None:
            raise _error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f"device not found: mediated device '{mdev}' not found",
            )
        if self.simulated.held(mdev):
            raise _error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                f'Requested operation is not valid: mediated device {mdev} '
                'is in use by driver QEMU',
            )
        self.simulated.hold(mdev)

    def check_group(self, address: str) -> None:
        """Refuse a group of which the host keeps a part, as VFIO does."""
        group = self.sysfs.link(model.PciAddress.parse(address), 'iommu_group')
        if group is None:
            raise _error(
                fakelibvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                "unsupported configuration: host doesn't support passthrough "
                'of host PCI devices',
            )
        for member in self.sysfs.group_members(int(group)):
            driver = self.sysfs.link(member, 'driver')
            bridge = self.sysfs.read(member, 'class').startswith(_BRIDGE)
            if not bridge and driver not in (None, _VFIO):
                raise _error(
                    fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                    f'vfio {address}: group {group} is not viable\nPlease '
                    'ensure all devices within the iommu_group are bound to '
                    'their vfio bus driver.',
                )

    def _bind(self, address: str, override: str) -> None:
        """Bind a function anew, with the steps that libvirt takes."""
        failed = f'Failed to bind PCI device {address}'
        self._write(f'{_device(address)}/driver_override', override, failed)
        if self.sysfs.link(model.PciAddress.parse(address), 'driver'):
            self._write(f'{_device(address)}/driver/unbind', address, failed)
        self._write(f'{_PCI}/drivers_probe', address, failed)

    def _write(self, path: str, text: str, failed: str) -> None:
        try:
            self.simulated.write(path, text)
        except OSError as error:
            raise _error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'internal error: {failed}: {path}: '
                f'{os.strerror(error.errno or errno.EIO)}',
            ) from error


class Domain(fakelibvirt.Domain):
    """A guest, which takes its hostdevs when it starts."""

    def __init__(self, connection: Connection, xml: str) -> None:
        self._hostdevs = etree.fromstring(xml).find('devices')
        self._taken_pci: list[str] = []
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
        for element in self._hostdevs.findall(_PCI_MANAGED):
            address = str(_address_of_hostdev(element))
            self._connection.take_pci(address, self.name())
            self._taken_pci.append(address)
        for address in self._taken_pci:
            self._connection.check_group(address)
        for element in self._hostdevs.findall(_MDEV):
            self._connection.take_mdev(element.get('uuid'))
            self._taken_mdevs.append(element.get('uuid'))

    def give_back(self) -> None:
        """Give back what was taken, when the guest has ended."""
        while self._taken_pci:
            self._connection.give_back_pci(self._taken_pci.pop())
        while self._taken_mdevs:
            self._connection.simulated.release_hold(self._taken_mdevs.pop())

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Print the guest, with the hostdevs and controllers it was given.

        Nova's fake forgets what it does not know of them, such as their
        place in the guest.
        """
        domain = etree.fromstring(super().XMLDesc(flags))
        devices = domain.find('devices')
        for hostdev in devices.findall('hostdev'):
            devices.remove(hostdev)
        for element in self._hostdevs:
            pci = element.tag == 'controller' and element.get('type') == 'pci'
            if element.tag == 'hostdev' or pci:
                devices.append(etree.fromstring(etree.tostring(element)))
        return str(
            etree.tostring(domain, encoding='unicode', pretty_print=True)
        )


class Mdev:
    """The node device of an mdev."""

    def __init__(self, connection: Connection, mdev: uuid.UUID) -> None:
        self._connection = connection
        self._uuid = mdev
        self._parent = connection.sysfs.mdev_parent(mdev) or ''

    def name(self) -> str:
        """Name it as libvirt does since version 7.7."""
        parent = self._parent.replace(':', '_').replace('.', '_')
        return f'mdev_{self._uuid}_{parent}'.replace('-', '_')

    def destroy(self) -> None:
        """Remove the mdev."""
        self._connection.remove_mdev(self._uuid)


def _device(address: str) -> str:
    return f'{_PCI}/devices/{address}'


def _address_of_nodedev(name: str) -> model.PciAddress:
    domain, bus, slot, function = name.removeprefix('pci_').split('_')
    return model.PciAddress.parse(f'{domain}:{bus}:{slot}.{function}')


def _address_of_hostdev(element: Any) -> model.PciAddress:
    return model.PciAddress(
        *(
            int(element.get(part), 16)
            for part in ('domain', 'bus', 'slot', 'function')
        )
    )


def _error(code: int, message: str) -> Exception:
    error: Exception = fakelibvirt.make_libvirtError(
        fakelibvirt.libvirtError,
        message,
        error_code=code,
        error_message=message,
        error_domain=fakelibvirt.VIR_FROM_QEMU,
    )
    return error
