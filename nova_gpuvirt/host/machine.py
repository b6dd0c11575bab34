"""The machine: what the backends work on of a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor as hypervisor_
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs as sysfs_

API_SESSIONS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """A host's kernel, its libvirt, its vendors' commands and names.

    `api_sessions` is how many guests may draw with one render node,
    `api_vulkan` whether Vulkan is forwarded too, and
    `boot_vga` are globs of addresses that may go to guests although the
    firmware shows its screen there: all are the operator's to say. So are
    `fabric_manager`, where NVIDIA's Fabric Manager is if not on this host,
    and `gpu_modules`, the numbers of cards on their board that can't be asked.
    """

    sysfs: sysfs_.Sysfs
    names: pciids.PciIds
    hypervisor: hypervisor_.Hypervisor
    run: commands.Run = commands.none
    api_sessions: int = API_SESSIONS
    api_vulkan: bool = False
    boot_vga: Sequence[str] = ()
    fabric_manager: str = ''
    gpu_modules: Mapping[model.PciAddress, int] = dataclasses.field(
        default_factory=dict
    )

    def opener(self, function: model.PciAddress) -> str | None:
        """Tell what has a function open, None where nothing has.

        libvirt knows its guests even where a container hides the processes.

        :raises ReleaseFailed: when libvirt doesn't answer
        :raises OSError: when the processes can't be seen
        """
        guest = self.hypervisor.guest_with(function)
        if guest is not None:
            return f'the running guest {guest}'
        openers = self.sysfs.openers(function)
        return f'process {openers[0]}' if openers else None
