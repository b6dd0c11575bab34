"""What is asked of libvirt beside the guests' own XML.

No libvirt module is imported here: Nova owns the connection, and in its
tests another module stands in for libvirt.
"""

from __future__ import annotations

import dataclasses
import logging
import platform
import uuid
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any
from typing import ClassVar
from xml.etree import ElementTree

from nova_gpuvirt import exception
from nova_gpuvirt import model

LOG = logging.getLogger(__name__)

_ALL = 0
_ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE
_NO_DOMAIN = 42  # VIR_ERR_NO_DOMAIN
_VFIO = 'vfio'  # what libvirt calls vfio-pci
_GRACEFUL = 1  # VIR_DOMAIN_DESTROY_GRACEFUL
# Together they last as long as NVIDIA's plugin may take to start, whenever a
# guest was started: libvirt does not tell when that was.
_GRACEFUL_TRIES = 2

QEMU_WITH_VENUS = 9_002_000
LIBVIRT_WITH_OVERRIDE = 8_002_000
"""The first that knows <qemu:override> (docs/drvqemu.rst)."""
LIBVIRT_WITH_MAXPHYSADDR = 8_007_000
"""The first that knows <maxphysaddr>."""
LIBVIRT_WITH_VARIANTS = 10_000_000
"""The first that knows other drivers of VFIO than vfio-pci.

It moves a function to one (<driver model=…>), or leaves it with one.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Renderer:
    """What QEMU and libvirt can forward: OpenGL (virgl), Vulkan (venus)."""

    virgl: bool
    venus: bool


class Hypervisor:
    """A host's libvirt.

    :param connect: returns an open `virConnect` whenever it is called
    :cvar answers: whether there is a libvirt that is asked
    """

    answers: ClassVar[bool] = True

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
                remedy='it is tried again',
            ) from error

    def guest_with(self, device: uuid.UUID | model.PciAddress) -> str | None:
        """Name the running guest that has a device, None where none has.

        :raises ReleaseFailed: when libvirt doesn't answer
        """
        try:
            for domain, hostdevs in self._domains(_ACTIVE):
                if device in hostdevs:
                    return str(domain.UUIDString())
        except Exception as error:
            raise exception.ReleaseFailed(
                str(device),
                wanted='to know that no guest has it',
                found=f'no answer from libvirt: {error}',
                remedy='it is tried again',
            ) from error
        return None

    def domain_with(
        self,
        devices: Collection[uuid.UUID | model.PciAddress],
        servers: Collection[str] = (),
    ) -> str | None:
        """Name a domain that has one of these, whether it runs or not.

        :param servers: UUIDs of those that count only while they run
        :raises Exception: libvirt's, when it doesn't answer
        """
        for domain, hostdevs in self._domains(_ALL):
            if hostdevs.isdisjoint(devices):
                continue
            name = str(domain.UUIDString())
            if name not in servers or domain.isActive():
                return name
        return None

    def _domains(
        self, flags: int
    ) -> Iterator[tuple[Any, set[uuid.UUID | model.PciAddress]]]:
        """List domains, each with what it has of the host's devices.

        One that ends meanwhile is left out.

        :param flags: which, as virConnectListAllDomains has it
        """
        for domain in self._connect().listAllDomains(flags):
            try:
                xml = domain.XMLDesc(0)
            except Exception as error:
                if _is_about_a_guest_that_ended(error):
                    continue
                raise
            yield domain, _hostdevs(xml)

    def devices_of(self, guest: str) -> set[uuid.UUID | model.PciAddress]:
        """Tell which mdevs and functions a guest has; one that is gone, none.

        :param guest: its UUID
        :raises Exception: libvirt's, when it doesn't answer
        """
        try:
            domain = self._connect().lookupByUUIDString(guest)
            return _hostdevs(domain.XMLDesc(0))
        except Exception as error:
            if _is_about_a_guest_that_ended(error):
                return set()
            raise

    def end_gracefully(self, guest: str) -> bool:
        """End a guest by a SIGTERM to its QEMU, and never by a SIGKILL.

        Each try takes 15 seconds or more where QEMU does not end (libvirt's
        `virProcessKillPainfullyDelay`).

        :param guest: its UUID
        :returns: whether it has ended, or did not run
        :raises Exception: libvirt's, when it doesn't answer
        """
        try:
            domain = self._connect().lookupByUUIDString(guest)
            for _ in range(_GRACEFUL_TRIES):
                if not domain.isActive():
                    return True
                try:
                    domain.destroyFlags(_GRACEFUL)
                except Exception as error:
                    LOG.info('Guest %s does not end yet: %s', guest, error)
            return not domain.isActive()
        except Exception as error:
            if _is_about_a_guest_that_ended(error):
                return True
            raise

    def version(self) -> int:
        """Give libvirt's version, 10.2.0 as 10002000.

        :raises Exception: libvirt's, when it doesn't answer
        """
        return int(self._connect().getLibVersion())

    def qemu_version(self) -> int:
        """Give QEMU's version, 9.2.0 as 9002000.

        :raises Exception: libvirt's, when it doesn't answer
        """
        return int(self._connect().getVersion())

    def renderer(self) -> Renderer:
        """Tell how guests of this host can draw with the host's GPUs.

        :raises Exception: libvirt's, when it doesn't answer
        """
        connection = self._connect()
        capabilities = ElementTree.fromstring(
            connection.getDomainCapabilities(
                None, platform.machine(), None, None, 0
            )
        )
        words = {
            f'{kind}:{value.text}'
            for kind in ('graphics', 'video')
            for value in capabilities.iterfind(f'devices/{kind}/enum/value')
        }
        return Renderer(
            virgl={'graphics:egl-headless', 'video:virtio'} <= words,
            venus=self.qemu_version() >= QEMU_WITH_VENUS,
        )

    def node_device(self, function: model.PciAddress) -> str:
        """Read what libvirt says of a PCI function, as XML.

        :raises Exception: libvirt's, when it doesn't answer
        """
        device = self._connect().nodeDeviceLookupByName(function.nodedev)
        return str(device.XMLDesc(0))

    def detach(self, function: model.PciAddress) -> None:
        """Take a function from its driver, and move it to vfio-pci.

        Nothing happens to one that is there. libvirt waits for as long as the
        driver does not let it go.

        :raises ReleaseFailed: when libvirt or the kernel refuses: a domain
            has it, it is gone
        """
        try:
            device = self._connect().nodeDeviceLookupByName(function.nodedev)
            device.detachFlags(_VFIO, 0)
        except Exception as error:
            raise exception.ReleaseFailed(
                str(function),
                wanted='to move it to vfio-pci',
                found=f'that libvirt refuses: {error}',
                remedy='see which guest or process has it, and what its '
                'driver says in the kernel log',
            ) from error

    def reattach(self, function: model.PciAddress) -> None:
        """Give a function back to the driver that the kernel has for it.

        libvirt is content where no driver takes it: look which one has it.

        :raises ReleaseFailed: when libvirt or the kernel refuses: a domain
            has it, it is gone
        """
        try:
            device = self._connect().nodeDeviceLookupByName(function.nodedev)
            device.reAttach()
        except Exception as error:
            raise exception.ReleaseFailed(
                str(function),
                wanted='to give it back to its driver',
                found=f'that libvirt refuses: {error}',
                remedy='see which guest has it, and what its driver says in '
                'the kernel log',
            ) from error


class Absent(Hypervisor):
    """The libvirt of a host that is only looked at: what it can is assumed."""

    answers = False

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def version(self) -> int:
        """Assume one that knows all kinds of GPU."""
        return LIBVIRT_WITH_VARIANTS

    def domain_with(
        self,
        devices: Collection[uuid.UUID | model.PciAddress],
        servers: Collection[str] = (),
    ) -> str | None:
        """Know of none."""
        return None

    def node_device(self, function: model.PciAddress) -> str:
        """Say nothing of it."""
        return ''

    def detach(self, function: model.PciAddress) -> None:
        """Refuse to move it: nobody is there who could.

        :raises ReleaseFailed: always
        """
        raise _only_looked_at(function, 'to move it to vfio-pci')

    def reattach(self, function: model.PciAddress) -> None:
        """Refuse to give it back.

        :raises ReleaseFailed: always
        """
        raise _only_looked_at(function, 'to give it back to its driver')

    def renderer(self) -> Renderer:
        """Assume what every QEMU of a distribution can."""
        return Renderer(virgl=True, venus=False)


def _only_looked_at(
    function: model.PciAddress, wanted: str
) -> exception.ReleaseFailed:
    return exception.ReleaseFailed(
        str(function),
        wanted=wanted,
        found='a host that is only looked at',
        remedy='do it on the host itself, where its libvirt runs',
    )


def _is_about_a_guest_that_ended(error: Exception) -> bool:
    code = getattr(error, 'get_error_code', lambda: None)()
    return bool(code == _NO_DOMAIN)


def _hostdevs(xml: str) -> set[uuid.UUID | model.PciAddress]:
    """Read which of the host's devices a guest has.

    :raises ValueError: when one of them has no address or UUID that can be
    """
    found: set[uuid.UUID | model.PciAddress] = set()
    for address in ElementTree.fromstring(xml).iterfind(
        'devices/hostdev/source/address'
    ):
        name = address.get('uuid')
        if name is not None:
            found.add(uuid.UUID(name))
        elif address.get('slot') is not None:
            domain, bus, slot, function = (
                int(address.get(part, '0'), 16)
                for part in ('domain', 'bus', 'slot', 'function')
            )
            text = f'{domain:04x}:{bus:02x}:{slot:02x}.{function:x}'
            found.add(model.PciAddress.parse(text))
    return found
