"""NVIDIA's driver with a card, as its command tells of it and changes it.

Of a card whose vGPUs are mdevs that is all: the kernel shows the rest. What is
refused is what NVML's errors say (nvml.h in NVIDIA/go-nvml), and what users
and NVIDIA's guides show of ``nvidia-smi``:

* MIG mode of a card that a process has open is pending until it is asked for
  again (NVIDIA's MIG user guide). A user's card with VFs kept MIG mode ("In
  use by another client"). Guesses: that it gets it no more than it loses it
  then, and that it keeps it while it has GPU instances.
* vGPUs of several sizes are allowed and forbidden while no vGPU exists on the
  card, or in the GPU instance (gpu/device_ctrl.c of NVIDIA's open kernel
  modules), and while no process has the card open (NVIDIA's vGPU guide, 2.11).
  Within a GPU instance they are for types of which it holds several.
* ``sriov-manage`` takes the driver from the card and gives it back: GPU
  instances and mixed sizes are gone then, and MIG mode stays (users of an RTX
  PRO 6000).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import pf_driver

_HOPPER = 9.0


class Nvml(enum.Enum):
    """Errors of NVML: a number, which its command ends with, and words."""

    INVALID = (2, 'Invalid Argument')
    NOT_SUPPORTED = (3, 'Not Supported')
    NO_PERMISSION = (4, 'Insufficient Permissions')
    NOT_FOUND = (6, 'Not Found')
    IN_USE = (19, 'In use by another client')
    NO_RESOURCES = (23, 'Insufficient Resources')


class Refused(Exception):
    """What the driver does not do.

    :ivar nvml: why
    """

    def __init__(self, nvml: Nvml) -> None:
        super().__init__(nvml.value[1])
        self.nvml = nvml


@dataclasses.dataclass(frozen=True, slots=True)
class NvidiaCard(pf_driver.PfDriver):
    """A card of which the vGPU host driver makes vGPUs.

    :param vgpus: the types that the card supports
    :param memory: how vGPUs share the card
    :param compute_capability: of CUDA
    :param mixed: how vGPUs of several sizes share it, None where they can't
    :param profiles: of MIG's GPU instances, none where it has no MIG mode
    :param sr_iov: whether its vGPUs need VFs
    """

    vgpus: tuple[nvidia.VgpuType, ...]
    memory: nvidia.Memory
    compute_capability: str
    mixed: nvidia.MixedSizes | None = None
    profiles: gpu_instances.Profiles = ()
    sr_iov: bool = True

    @property
    def keeps_mig(self) -> bool:
        """Tell whether the card itself keeps MIG mode: an Ampere does."""
        return bool(self.profiles) and float(self.compute_capability) < _HOPPER

    @property
    def vf_mdev(self) -> mdev.Behaviour | None:
        """How its VFs make mdevs, None where the VFs are vGPUs themselves."""
        return mdev.Nvidia(self.vgpus, on_vfs=True, memory=self.memory)

    def at_load(self, vfs: int) -> NvidiaCard:
        """Describe the card without GPU instances and mixed sizes."""
        return dataclasses.replace(self, memory=nvidia.EqualSize())

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the card."""
        return Running(self, pf)


class Running(pf_driver.Running):
    """The driver of one card.

    :ivar card: the card as it is now
    :ivar pending: whether MIG mode is on as soon as the card is idle
    """

    def __init__(self, card: NvidiaCard, pf: pf_driver.Pf) -> None:
        super().__init__(pf)
        self.card = card
        self.pending = self.has_mig

    @property
    def vgpu_memory(self) -> nvidia.Memory:
        """How vGPUs share the card now."""
        return self.card.memory

    @property
    def has_mig(self) -> bool:
        """Tell whether MIG mode is on."""
        return isinstance(self.card.memory, nvidia.GpuInstances)

    def vgpus(self) -> Collection[nvidia.Made]:
        """List the vGPUs that exist."""
        return [m for m in self.pf.vgpus() if isinstance(m, nvidia.Made)]

    def set_mig(self, wanted: bool) -> bool:
        """Turn MIG mode on or off.

        :returns: whether it is so now, and not just pending
        :raises Refused: by a card that has none, or is in use as a whole
        """
        if not self.card.profiles:
            raise Refused(Nvml.NOT_SUPPORTED)
        if wanted == self.has_mig:
            self.pending = wanted
            return True
        if self.pf.vfs or self._instances():
            raise Refused(Nvml.IN_USE)
        self.pending = wanted
        if self.pf.is_open():
            return False
        self._share(nvidia.GpuInstances() if wanted else nvidia.EqualSize())
        return True

    def make_instance(self, text: str) -> nvidia.GpuInstance:
        """Make a GPU instance.

        :param text: a profile's name or id, and maybe ``:START``
        :raises Refused: without such a profile or room for it, and while a
            process has the card open
        """
        name, colon, start = text.partition(':')
        profile = gpu_instances.named(self.card.profiles, name)
        if profile is None or (colon and not start.isdecimal()):
            raise Refused(Nvml.INVALID)
        if colon and int(start) not in profile.starts:
            raise Refused(Nvml.INVALID)
        if self.pf.is_open():
            raise Refused(Nvml.IN_USE)
        made = gpu_instances.make(
            self.card.profiles,
            self._instances(),
            profile,
            int(start) if colon else None,
        )
        if made is None:
            raise Refused(Nvml.NO_RESOURCES)
        self._keep((*self._instances(), made))
        return made

    def remove_instance(self, instance: nvidia.GpuInstance) -> None:
        """Remove a GPU instance.

        :raises Refused: while a vGPU is in it
        """
        if any(m.gpu_instance == instance.number for m in self.vgpus()):
            raise Refused(Nvml.IN_USE)
        self._keep([i for i in self._instances() if i != instance])

    def set_mixed(self, number: int | None, wanted: bool) -> None:
        """Let vGPUs of several sizes share the card, or a GPU instance.

        :param number: of the GPU instance
        :raises Refused: by what can't, and while vGPUs exist there
        """
        if self.card.mixed is None or (number is None) is self.has_mig:
            raise Refused(Nvml.NOT_SUPPORTED)
        made = [m for m in self.vgpus() if number in (None, m.gpu_instance)]
        if made or self.pf.is_open():
            raise Refused(Nvml.IN_USE)
        if number is None:
            self._share(self.card.mixed if wanted else nvidia.EqualSize())
        else:
            self._set_mixed_in(number, wanted)

    def _set_mixed_in(self, number: int, wanted: bool) -> None:
        instances = self._instances()
        instance = next((i for i in instances if i.number == number), None)
        if instance is None:
            raise Refused(Nvml.NOT_FOUND)
        if not any(
            kind.gi_profile == instance.profile and kind.per_gi > 1
            for kind in self.card.vgpus
        ):
            raise Refused(Nvml.NOT_SUPPORTED)
        changed = dataclasses.replace(instance, mixed=wanted)
        self._keep([changed if i is instance else i for i in instances])

    def set_vfs(self, wanted: bool) -> None:
        """Make all VFs or remove them, with the card taken and given back."""
        self._share(
            nvidia.GpuInstances() if self.has_mig else nvidia.EqualSize()
        )
        self.pf.set_vfs(wanted)

    def room(self, profile: gpu_instances.GiProfile) -> tuple[int, int]:
        """Count the GPU instances of a profile: how many more, and at most."""
        profiles = self.card.profiles
        return (
            gpu_instances.room(profiles, self._instances(), profile),
            gpu_instances.room(profiles, (), profile),
        )

    def _instances(self) -> Sequence[nvidia.GpuInstance]:
        memory = self.card.memory
        if isinstance(memory, nvidia.GpuInstances):
            return memory.instances
        return ()

    def _keep(self, instances: Collection[nvidia.GpuInstance]) -> None:
        self._share(gpu_instances.in_order(self.card.profiles, instances))

    def _share(self, memory: nvidia.Memory) -> None:
        self.card = dataclasses.replace(self.card, memory=memory)
        self.pf.changed()
