"""A libvirt on a simulated host, on top of the fake one of Nova's tests.

Guests and node devices act on the host's sysfs as libvirt does, and are
refused what the kernel refuses.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Collection
from typing import Any

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.libvirt import domain
from nova_gpuvirt.simulation.libvirt import errors
from nova_gpuvirt.simulation.libvirt import node_device

_PCI = '/sys/bus/pci'
_BRIDGE = '0x0604'
_PORT_DRIVER = 'pcieport'
_STUB = 'pci-stub'
_VARIANTS_SINCE = 10_000_000

# On two NUMA nodes, two threads for each core.
CPUS = 64

# VIR_CONNECT_LIST_DOMAINS_ACTIVE and _INACTIVE
_EACH_STATE = 1 | 2


class Connection(fakelibvirt.Connection):
    """A connection to the libvirt of one simulated host."""

    def __init__(self, host: simulated.SimulatedHost, **kwargs: Any) -> None:
        super().__init__(
            'qemu:///system',
            version=host.description.libvirt,
            hv_version=host.description.qemu,
            # As large as servers with eight GPUs are: 512 GiB.
            host_info=fakelibvirt.HostInfo(
                cpu_nodes=2,
                cpu_cores=CPUS // 4,
                cpu_threads=2,
                kB_mem=512 << 20,
            ),
            **kwargs,
        )
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
        function = self._function(name)
        if function is not None:
            return node_device.PciDevice(self, function)
        if not name.startswith('mdev_'):
            return super().nodeDeviceLookupByName(name)
        mdev = uuid.UUID('-'.join(name.split('_')[1:6]))
        if self.sysfs.mdevs.parent(mdev) is None:
            raise errors.error(
                fakelibvirt.VIR_ERR_NO_NODE_DEVICE,
                f"no node device with matching name '{name}'",
            )
        return Mdev(self, mdev)

    def _function(self, name: str) -> model.PciAddress | None:
        """Find a PCI function of the host by its name, None without it."""
        try:
            function = _address_of_nodedev(name)
        except ValueError:
            return None
        there = f'{self.simulated.root}{_device(str(function))}'
        return function if os.path.lexists(there) else None

    def user_of(self, address: str) -> str | None:
        """Name the guest that has taken a function, None where none has."""
        for guest in self._vms.values():
            if address in guest.taken:
                return str(guest.name())
        return None

    def detach_pci(self, address: str, driver: str) -> None:
        """Move a function to a driver, unless that has it."""
        parsed = model.PciAddress.parse(address)
        if self.sysfs.link(parsed, 'driver') != driver:
            self._bind(address, driver)

    def remove_mdev(self, mdev: uuid.UUID) -> None:
        """Remove an mdev, as libvirt does through mdevctl."""
        self._write(
            f'/sys/bus/mdev/devices/{mdev}/remove',
            '1',
            'Unable to destroy mediated device',
        )

    def listAllDomains(self, flags: int = 0) -> Any:  # noqa: N802
        """List domains; no flag of a group asks for all of it.

        Source: virConnectListAllDomains of libvirt.
        """
        return super().listAllDomains(
            flags if flags & _EACH_STATE else flags | _EACH_STATE
        )

    def getDomainCapabilities(self, *args: Any) -> str:  # noqa: N802
        """Tell what QEMU can, as one of a distribution."""
        capabilities = etree.fromstring(super().getDomainCapabilities(*args))
        types = capabilities.find("devices/graphics/enum[@name='type']")
        if self.simulated.description.opengl:
            etree.SubElement(types, 'value').text = 'egl-headless'
        return str(etree.tostring(capabilities, encoding='unicode'))

    # Guests

    def defineXML(self, xml: str) -> Any:  # noqa: N802
        """Define a guest, or one that is there anew."""
        guest = self._vms.get(etree.fromstring(xml).findtext('name'))
        if guest is None:
            guest = domain.Domain(self, xml)
            self._vms[guest.name()] = guest
        else:
            guest.redefine(xml)
        self._emit_lifecycle(guest, fakelibvirt.VIR_DOMAIN_EVENT_DEFINED, 0)
        return guest

    def createXML(self, xml: str, flags: int) -> Any:  # noqa: N802
        """Start a guest that is forgotten when it ends."""
        guest = domain.Domain(self, xml)
        guest.createWithFlags(flags)
        guest._transient = True
        self._vms[guest.name()] = guest
        return guest

    def _undefine(self, domain: Any) -> None:
        """Forget a guest; one that runs is forgotten when it ends."""
        if domain.isActive():
            domain._transient = True
        else:
            super()._undefine(domain)

    def _mark_not_running(self, domain: Any) -> None:
        super()._mark_not_running(domain)
        domain.give_back()

    def take_pci(self, address: str, driver: str | None, guest: str) -> None:
        """Open a function for a guest.

        :param driver: the VFIO driver to move it to before, None to leave it
            with the one that it has
        """
        if not os.path.lexists(f'{self.simulated.root}{_device(address)}'):
            raise errors.error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'Device {address} not found: could not access '
                f'{_device(address)}/config: No such file or directory',
            )
        if self.simulated.held(address):
            raise errors.error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                f'Requested operation is not valid: PCI device {address} is '
                f'in use by driver QEMU, domain {guest}',
            )
        if driver is not None:
            self._bind(address, driver)
        elif self._knows_no_driver_of(address):
            raise errors.error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                'Requested operation is not valid: Unmanaged PCI device '
                f'{address} must be manually detached from the host',
            )
        self._open(address)

    def _open(self, address: str) -> None:
        """Open a function as QEMU does; its driver has to be one of VFIO."""
        failed = (
            'internal error: qemu unexpectedly closed the monitor: '
            f'-device vfio-pci,host={address}: vfio {address}: error getting '
            'device from group: '
        )
        if not self._is_on_vfio(model.PciAddress.parse(address)):
            raise errors.error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'{failed}{os.strerror(errno.ENODEV)}',
            )
        try:
            self.simulated.hold(address)
        except OSError as error:
            raise errors.error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'{failed}{os.strerror(error.errno or errno.ENODEV)}',
            ) from error

    def _knows_no_driver_of(self, address: str) -> bool:
        """Tell whether a function has a driver that is none of VFIO.

        Before 10.0.0 libvirt knows vfio-pci alone.
        """
        name = self.sysfs.link(model.PciAddress.parse(address), 'driver')
        old = self.simulated.description.libvirt < _VARIANTS_SINCE
        return old and name != 'vfio-pci'

    def _is_on_vfio(self, address: model.PciAddress) -> bool:
        device = f'{self.simulated.root}{_device(str(address))}'
        return os.path.exists(f'{device}/vfio-dev')

    def reattach_pci(self, address: str) -> None:
        """Give a function back to its driver."""
        if os.path.lexists(f'{self.simulated.root}{_device(address)}'):
            self._bind(address, '\n')

    def take_mdev(self, mdev: str) -> None:
        """Open an mdev for a guest."""
        if self.sysfs.mdevs.parent(uuid.UUID(mdev)) is None:
            raise errors.error(
                fakelibvirt.VIR_ERR_DEVICE_MISSING,
                f"device not found: mediated device '{mdev}' not found",
            )
        if self.simulated.held(mdev):
            raise errors.error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                f'Requested operation is not valid: mediated device {mdev} '
                'is in use by driver QEMU',
            )
        self.simulated.hold(mdev)

    def check_group(self, address: str, own: Collection[str]) -> None:
        """Refuse a group of which the host or another guest has a part.

        :param own: what this guest has taken
        """
        group = self.sysfs.link(model.PciAddress.parse(address), 'iommu_group')
        if group is None:
            raise errors.error(
                fakelibvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                "unsupported configuration: host doesn't support passthrough "
                'of host PCI devices',
            )
        for member in self.sysfs.group_members(int(group)):
            if str(member) not in own and self.simulated.held(str(member)):
                raise errors.error(
                    fakelibvirt.VIR_ERR_OPERATION_INVALID,
                    f'Requested operation is not valid: PCI device {member} '
                    'is in use',
                )
            if not self._leaves_dma_to_others(member):
                raise errors.error(
                    fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                    f'vfio {address}: group {group} is not viable\nPlease '
                    'ensure all devices within the iommu_group are bound to '
                    'their vfio bus driver.',
                )

    def _leaves_dma_to_others(self, address: model.PciAddress) -> bool:
        """Tell whether a member does its group no harm.

        Source: ``driver_managed_dma`` of the kernel's drivers since 5.19, and
        before it drivers/vfio/vfio.c (``vfio_dev_viable``). A bridge whose
        driver is another than the port driver harms as any function does.
        """
        driver = self.sysfs.link(address, 'driver')
        if driver == _PORT_DRIVER:
            return self.sysfs.read(address, 'class').startswith(_BRIDGE)
        return driver in (None, _STUB) or self._is_on_vfio(address)

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
            raise errors.error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                f'internal error: {failed}: {path}: '
                f'{os.strerror(error.errno or errno.EIO)}',
            ) from error


class Mdev:
    """The node device of an mdev."""

    def __init__(self, connection: Connection, mdev: uuid.UUID) -> None:
        self._connection = connection
        self._uuid = mdev
        self._parent = connection.sysfs.mdevs.parent(mdev) or ''

    def name(self) -> str:
        """Name it as libvirt does since version 7.7."""
        parent = self._parent.replace(':', '_').replace('.', '_')
        return f'mdev_{self._uuid}_{parent}'.replace('-', '_')

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Print what Nova reads of it."""
        parent = model.PciAddress.parse(self._parent)
        type_id = self._connection.sysfs.mdevs.type_id(parent, str(self._uuid))
        return (
            f'<device><name>{self.name()}</name>'
            f'<parent>{parent.nodedev}</parent>'
            f'<capability type="mdev"><type id="{type_id}"/>'
            f'<uuid>{self._uuid}</uuid><iommuGroup number="0"/></capability>'
            '</device>'
        )

    def destroy(self) -> None:
        """Remove the mdev."""
        self._connection.remove_mdev(self._uuid)


def _device(address: str) -> str:
    return f'{_PCI}/devices/{address}'


def _address_of_nodedev(name: str) -> model.PciAddress:
    domain, bus, slot, function = name.removeprefix('pci_').split('_')
    return model.PciAddress.parse(f'{domain}:{bus}:{slot}.{function}')
