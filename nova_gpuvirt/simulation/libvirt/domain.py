"""A guest of a simulated libvirt."""

from __future__ import annotations

import copy
from typing import Any

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.simulation.libvirt import errors

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
# Seconds from the SIGTERM to the SIGKILL, and those without a SIGKILL.
_BEFORE_KILL = 10
_PATIENCE = 15
_GRACEFUL = 1  # VIR_DOMAIN_DESTROY_GRACEFUL
_ACCELERATED = "devices/video/model/acceleration[@accel3d='yes']"


class Domain(fakelibvirt.Domain):
    """A guest, which takes its hostdevs when it starts.

    While it is active it has hostdevs of its own, beside those of its
    persistent definition: what was detached live is back with the next start,
    but not with one from a managed save.
    """

    def __init__(self, connection: Any, xml: str) -> None:
        self._given = etree.fromstring(xml)
        self._live: Any = None
        self._saved: tuple[Any, int] | None = None
        self._taken_pci: list[tuple[str, bool]] = []
        self._taken_mdevs: list[str] = []
        super().__init__(connection, xml)

    def redefine(self, xml: str) -> None:
        """Take another persistent definition, and stay as it is."""
        self._given = etree.fromstring(xml)
        self._def = self._parse_definition(xml)
        self._transient = False

    def isActive(self) -> int:  # noqa: N802
        """Tell whether it has a QEMU; a paused guest has one."""
        return int(
            self._state
            in (fakelibvirt.VIR_DOMAIN_RUNNING, fakelibvirt.VIR_DOMAIN_PAUSED)
        )

    def createWithFlags(self, flags: int) -> None:  # noqa: N802
        """Take the hostdevs and start, or take none."""
        self._live, state = self._saved or (
            copy.deepcopy(self._given.find('devices')),
            fakelibvirt.VIR_DOMAIN_RUNNING,
        )
        try:
            self._take()
        except fakelibvirt.libvirtError:
            self.give_back()
            raise
        super().createWithFlags(flags)
        self._saved, self._state = None, state

    def destroy(self) -> None:
        """End the guest: by a SIGTERM, and after ten seconds by a SIGKILL.

        That is `virProcessKillPainfullyDelay` of libvirt's virprocess.c.
        """
        host, taken = self._connection.simulated, self.taken
        if not host.terminate(taken, _BEFORE_KILL):
            host.kill(taken)
        super().destroy()

    def destroyFlags(self, flags: int) -> None:  # noqa: N802
        """End the guest; if gracefully, by a SIGTERM or not at all.

        libvirt waits 15 seconds and two more for each hostdev, and fails
        then with EBUSY (`qemuProcessKill`).
        """
        if not flags & _GRACEFUL:
            self.destroy()
            return
        if not self.isActive():
            raise _invalid('domain is not running')
        host, taken = self._connection.simulated, self.taken
        if not host.terminate(taken, _PATIENCE + 2 * len(taken)):
            raise errors.error(
                fakelibvirt.VIR_ERR_SYSTEM_ERROR,
                'Failed to terminate process 1000 with SIGTERM: Device or '
                'resource busy',
            )
        super().destroy()

    @property
    def taken(self) -> list[str]:
        """List the functions and mdevs that it has."""
        pci = (address for address, _ in self._taken_pci)
        return [*pci, *self._taken_mdevs]

    def managedSave(self, flags: int) -> None:  # noqa: N802
        """Save the guest's memory and stop it.

        libvirt asks QEMU what keeps it from that (`qemuMigrationSrcIsAllowed`
        in its qemu_migration.c, with that text). QEMU names each VFIO device
        whose driver saves no state, in hw/vfio/migration.c, and virgl, in
        hw/display/virtio-gpu-base.c.
        """
        if not self.isActive():
            raise _invalid('domain is not running')
        blockers = [
            f'{_name(element)}: VFIO migration is not supported in kernel'
            for element in self._live.findall('hostdev')
        ]
        if self._given.find(_ACCELERATED) is not None:
            blockers.append('virgl is not yet migratable')
        if blockers:
            raise _invalid(f'cannot migrate domain: {"; ".join(blockers)}')
        self._saved = self._live, self._state
        self._state = fakelibvirt.VIR_DOMAIN_SHUTOFF
        super().managedSave(flags)

    def managedSaveRemove(self, flags: int = 0) -> None:  # noqa: N802
        """Forget the saved memory."""
        self._saved = None
        super().managedSaveRemove(flags)

    def detachDeviceFlags(self, xml: str, flags: int) -> None:  # noqa: N802
        """Detach a device.

        A guest takes part in the unplugging of a PCI device. libvirt waits
        some seconds for one that does not, as a paused one, and then returns
        as if all were well (`virDomainDetachDeviceFlags`).
        """
        element = etree.fromstring(xml)
        if element.get('type') != 'mdev':
            super().detachDeviceFlags(xml, flags)
            return
        live, config = self._affected(flags)
        for devices in (live, config):
            if devices is not None and _same(devices, element) is None:
                raise errors.error(
                    fakelibvirt.VIR_ERR_DEVICE_MISSING,
                    f'device not found: mediated device {_name(element)} not '
                    'found',
                )
        if config is not None:
            config.remove(_same(config, element))
        if live is None or self._state == fakelibvirt.VIR_DOMAIN_PAUSED:
            return
        device = _same(live, element)
        if device.get('ramfb') == 'on':
            # vfio-pci-nohotplug, as QEMU calls it.
            raise errors.error(
                fakelibvirt.VIR_ERR_INTERNAL_ERROR,
                "internal error: unable to execute QEMU command 'device_del': "
                f"Device '{_name(element)}' does not support hotplugging",
            )
        live.remove(device)
        self._taken_mdevs.remove(_name(element))
        self._connection.simulated.release_hold(_name(element))

    def attachDeviceFlags(self, xml: str, flags: int) -> None:  # noqa: N802
        """Attach a device."""
        element = etree.fromstring(xml)
        if element.get('type') != 'mdev':
            super().attachDeviceFlags(xml, flags)
            return
        live, config = self._affected(flags)
        if live is not None:
            self._connection.take_mdev(_name(element))
            self._taken_mdevs.append(_name(element))
        for devices in (live, config):
            if devices is not None:
                devices.append(copy.deepcopy(element))

    def _affected(self, flags: int) -> tuple[Any, Any]:
        """Find the devices to change: the live ones, the persistent ones."""
        live = flags & fakelibvirt.VIR_DOMAIN_AFFECT_LIVE
        config = flags & fakelibvirt.VIR_DOMAIN_AFFECT_CONFIG
        if live and not self.isActive():
            raise _invalid('domain is not running')
        if not live and not config:
            live, config = self.isActive(), not self.isActive()
        return (
            self._live if live else None,
            self._given.find('devices') if config else None,
        )

    def _take(self) -> None:
        for element in self._live.findall(_PCI_HOSTDEV):
            address = str(_address_of_hostdev(element.find('source/address')))
            managed = element.get('managed') == 'yes'
            variant = element.find('driver')
            driver = _VFIO if variant is None else variant.get('model')
            self._connection.take_pci(
                address, driver if managed else None, self.name()
            )
            self._taken_pci.append((address, managed))
        own = [address for address, _ in self._taken_pci]
        for address in own:
            self._connection.check_group(address, own)
        for element in self._live.findall(_MDEV):
            self._connection.take_mdev(element.get('uuid'))
            self._taken_mdevs.append(element.get('uuid'))

    def give_back(self) -> None:
        """Give back what was taken, when the guest has ended."""
        self._live = None
        taken, self._taken_pci = self._taken_pci, []
        # QEMU has closed all when libvirt gives back the first.
        for address, _ in taken:
            self._connection.simulated.release_hold(address)
        for address, managed in reversed(taken):
            if managed:
                self._connection.reattach_pci(address)
        while self._taken_mdevs:
            self._connection.simulated.release_hold(self._taken_mdevs.pop())

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Print the guest, with all that it was given of what is ours.

        Nova's fake forgets what it does not know, such as a device's place
        in the guest.
        """
        domain = etree.fromstring(super().XMLDesc(flags))
        devices = domain.find('devices')
        given = self._given.find('devices')
        inactive = flags & fakelibvirt.VIR_DOMAIN_XML_INACTIVE
        hostdevs = given if inactive or self._live is None else self._live
        for tag in _OURS:
            for element in devices.findall(tag):
                devices.remove(element)
            source = hostdevs if tag == 'hostdev' else given
            devices.extend(copy.deepcopy(source.findall(tag)))
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


def _name(element: Any) -> str:
    """Name a hostdev as QEMU does."""
    address = element.find('source/address')
    return address.get('uuid') or str(_address_of_hostdev(address))


def _same(devices: Any, element: Any) -> Any:
    """Find a hostdev among devices, None where it is not."""
    return next(
        (
            found
            for found in devices.findall('hostdev')
            if _name(found) == _name(element)
        ),
        None,
    )


def _invalid(why: str) -> Exception:
    return errors.error(
        fakelibvirt.VIR_ERR_OPERATION_INVALID,
        f'Requested operation is not valid: {why}',
    )
