"""The machine: what the backends work on of a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import answers as answers_
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor as hypervisor_
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import processes
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs as sysfs_

API_SESSIONS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """A host's kernel, its libvirt, its vendors' commands and names.

    `api_sessions` is how many guests may draw with a card's render node,
    `api_vulkan` whether Vulkan is forwarded too, and
    `boot_vga` are globs of addresses that may go to guests although the
    firmware shows its screen there: all are the operator's to say. So are
    `fabric_manager`, where NVIDIA's Fabric Manager is if not on this host,
    `gpu_modules`, the numbers of cards in it where they can't be asked for,
    `accelerators`, by vendor and device, which are offered though no GPUs, and
    `without_reset`, globs of cards that are offered though none resets them.
    `answers` are the last of the vendors' commands that were run by `ask`.
    """

    sysfs: sysfs_.Sysfs
    names: pciids.PciIds
    hypervisor: hypervisor_.Hypervisor
    run: commands.Run = commands.none
    api_sessions: Callable[[model.Gpu], int] = lambda _: API_SESSIONS
    api_vulkan: bool = False
    boot_vga: Sequence[str] = ()
    fabric_manager: str = ''
    gpu_modules: Mapping[model.PciAddress, int] = dataclasses.field(
        default_factory=dict
    )
    accelerators: Collection[model.Ids] = frozenset()
    without_reset: Sequence[str] = ()
    answers: answers_.Answers = dataclasses.field(
        default_factory=answers_.Answers, compare=False
    )

    def ask(self, argv: Sequence[str]) -> str:
        """Run a vendor's command, and keep what it answers for others.

        :raises CommandFailed: when it is missing, fails, or takes too long
        """
        return self.answers.ask(self.run, argv)

    def opener(
        self, function: model.PciAddress, *, ours: bool = False
    ) -> str | None:
        """Tell what has a function open, None where nothing has.

        libvirt knows its guests even where a container hides the processes.
        Of a function that was given to one of them its word is enough: a
        guest of libvirt has ended when its QEMU has.

        :param ours: whether none but a guest of this libvirt had it
        :raises ReleaseFailed: when libvirt doesn't answer
        :raises OSError: when the processes can't be seen
        """
        guest = self.hypervisor.guest_with(function)
        if guest is not None:
            return f'the running guest {guest}'
        try:
            openers = self.sysfs.openers(function)
        except processes.Hidden:
            if ours:
                return None
            raise
        return f'process {openers[0]}' if openers else None

    def gpu_instances(self, card: model.PciAddress) -> str:
        """List the GPU instances of a card of NVIDIA's, as root where we may.

        :raises CommandFailed: when its command refuses or can't be asked,
            and when there are none
        """
        rootly = self.sysfs.rootly
        if rootly is None:
            return rootonly.gpu_instances(self.run, card)
        return rootly.gpu_instances(str(card))

    def gpu_instance_profiles(self, card: model.PciAddress) -> str:
        """List which of them a card can have, as root where we may.

        :raises CommandFailed: when its command refuses or can't be asked
        """
        rootly = self.sysfs.rootly
        if rootly is None:
            return rootonly.gpu_instance_profiles(self.run, card)
        return rootly.gpu_instance_profiles(str(card))
