"""Small guests of libvirt, which say on their console what they have.

They are transient, and end with the connection that started them.
"""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Collection
from typing import Any

from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt import guest
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.proof import console
from nova_gpuvirt.proof import image as image_

_ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE
# Of virDomainState: running, and blocked on a resource.
_RUNS = (1, 2)
_STOPPED = {3: 'was paused by QEMU', 4: 'shuts down', 6: 'has crashed'}
_AUTODESTROY = 2  # VIR_DOMAIN_START_AUTODESTROY
_NAME = 'nova-gpuvirt-prove'
_MEMORY = 1 << 20  # KiB
_COMMAND_LINE = 'console=ttyS0 loglevel=4'
_PAUSE = 0.5  # seconds


class LibvirtGuests:
    """Guests of one image, each with the devices of a trial.

    :param connection: an open `virConnect`
    :param folder: for their consoles
    :param seconds: how long one may take until it is ready
    """

    def __init__(
        self,
        connection: Any,
        host: guest.Host,
        image: image_.Image,
        folder: pathlib.Path,
        seconds: float,
    ) -> None:
        self._connection = connection
        self._host = host
        self._image = image
        self._folder = folder
        self._seconds = seconds
        self._running: dict[str, Any] = {}

    def boot(
        self, instance: str, devices: Collection[guest_device.GuestDevice]
    ) -> str:
        """Boot a guest, and return its console when it is ready.

        :raises PrepareFailed: when it is not ready in time
        :raises Exception: libvirt's, when it does not start
        """
        file = self._folder / instance
        xml = self._config(instance, devices, file).to_xml()
        # A signal that comes while libvirt starts it is raised before it can
        # be kept.
        self._running[instance] = None
        self._running[instance] = self._connection.createXML(xml, _AUTODESTROY)
        until = time.monotonic() + self._seconds
        while console.READY not in (said := _read(file)):
            state = self._running[instance].info()[0]
            if state not in _RUNS:
                raise self._not_ready(
                    instance, f'that it {_STOPPED.get(state, "is gone")}', said
                )
            if time.monotonic() >= until:
                raise self._not_ready(instance, 'that it runs', said)
            time.sleep(_PAUSE)
        return said

    def _not_ready(
        self, instance: str, found: str, said: str
    ) -> exception.PrepareFailed:
        return exception.PrepareFailed(
            instance,
            wanted=f'a guest that says {console.READY} within '
            f'{self._seconds:g} s',
            found=f'{found}, and said {said[-200:]!r}',
            remedy=f"see libvirt's log of {_NAME}, and give it longer with "
            '--seconds where it is slow',
        )

    def end(self, instance: str) -> None:
        """End a guest; one that did not start is no error.

        :raises Exception: libvirt's
        """
        if instance not in self._running:
            return
        domain = self._running.pop(instance)
        for running in self._connection.listAllDomains(_ACTIVE):
            if domain is None and running.UUIDString() == instance:
                domain = running
        if domain is not None:
            domain.destroy()

    def _config(
        self,
        instance: str,
        devices: Collection[guest_device.GuestDevice],
        file: pathlib.Path,
    ) -> vconfig.LibvirtConfigGuest:
        config = vconfig.LibvirtConfigGuest()
        config.virt_type = 'kvm'
        config.uuid = instance
        config.name = _NAME
        config.memory = _MEMORY
        config.vcpus = 1
        config.os_type = 'hvm'
        config.os_mach_type = 'q35'
        config.os_kernel = str(self._image.kernel)
        config.os_initrd = str(self._image.initrd)
        config.os_cmdline = _COMMAND_LINE
        serial = vconfig.LibvirtConfigGuestSerial()
        serial.type = 'file'
        serial.source_path = str(file)
        config.add_device(serial)
        return guest.wire(config, devices, self._host, display=False)


def _read(file: pathlib.Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(errors='replace')
    return ''
