"""The libvirt of a simulated host that is only looked at.

It tells the versions of the description, and has no guests. The one that
boots guests is `libvirt.connection`.
"""

from __future__ import annotations

import uuid

from nova_gpuvirt import model
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.simulation import description


class DescribedLibvirt(hypervisor.Absent):
    """What a host's description says of libvirt and QEMU."""

    answers = True

    def __init__(self, host: description.Host) -> None:
        super().__init__()
        self._host = host

    def version(self) -> int:
        """Give libvirt's version."""
        return self._host.libvirt

    def qemu_version(self) -> int:
        """Give QEMU's version."""
        return self._host.qemu

    def renderer(self) -> hypervisor.Renderer:
        """Tell how guests can draw."""
        return hypervisor.Renderer(
            virgl=self._host.opengl,
            venus=self._host.qemu >= hypervisor.QEMU_WITH_VENUS,
        )

    def guest_with(self, device: uuid.UUID | model.PciAddress) -> str | None:
        """Name no guest."""
        return None
