"""NVIDIA's types of vGPU, and which of them a card has room for."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection

from nova_gpuvirt.simulation.drivers import nvidia_places


@dataclasses.dataclass(frozen=True, slots=True)
class VgpuType:
    """A type of vGPU.

    :param number: in decimal, as sysfs has it; it differs between branches
    :param framebuffer: MiB, nominal
    :param max_instance: how many an empty card holds
    :param frl: frames a second
    :param gi_profile: of MIG, the profile of the GPU instance that it needs
    :param per_gi: how many of them one GPU instance holds
    :param per_vm: how many vGPUs a guest may have that has one
    """

    number: int
    name: str
    framebuffer: int
    max_instance: int
    heads: int = 4
    frl: int = 60
    resolution: str = '7680x4320'
    gi_profile: int | None = None
    per_gi: int = 1
    per_vm: int = 1

    @property
    def description(self) -> str:
        """Print it as the driver does for mdevs, on one line."""
        return (
            f'num_heads={self.heads}, frl_config={self.frl}, '
            f'framebuffer={self.framebuffer}M, '
            f'max_resolution={self.resolution}, '
            f'max_instance={self.max_instance}'
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A vGPU that exists.

    :param gpu_instance: of MIG, the one that it lives in
    :param placement: where it lies in the card's memory, where sizes mix
    """

    kind: VgpuType
    gpu_instance: int | None = None
    placement: int | None = None


class Memory(abc.ABC):
    """How vGPUs share the memory of one card."""

    @abc.abstractmethod
    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make one more vGPU beside those that exist, if there is room."""

    def places(self, kind: VgpuType) -> nvidia_places.Places | None:
        """Tell where vGPUs of a type may begin, where sizes mix."""
        return None

    def free(
        self, kind: VgpuType, made: Collection[Made], gpu_instance: int | None
    ) -> tuple[int, ...]:
        """List where another one may begin beside those that exist.

        :param gpu_instance: of MIG, in which one
        """
        places = self.places(kind)
        if places is None:
            return ()
        beside = [m for m in made if m.gpu_instance == gpu_instance]
        return places.free(
            [
                other.at(m.placement)
                for m in beside
                if (other := self.places(m.kind)) and m.placement is not None
            ]
        )

    def move(
        self, made: Made, others: Collection[Made], placement: int
    ) -> Made | None:
        """Move a vGPU to another place of its own type, if that is free."""
        if placement not in self.free(made.kind, others, made.gpu_instance):
            return None
        return dataclasses.replace(made, placement=placement)

    def move_to_instance(
        self, made: Made, others: Collection[Made], number: int
    ) -> Made | None:
        """Move a vGPU to another GPU instance, if that has room for it."""
        return None

    def moved(
        self, made: Made, others: Collection[Made], name: str, number: int
    ) -> Made | None:
        """Do what a write of a number to a file of a vGPU does.

        :param name: the file's, ``placement_id`` or ``gpu_instance_id``
        :returns: None for what can't be done
        """
        if name == 'placement_id':
            return self.move(made, others, number)
        return self.move_to_instance(made, others, number)


@dataclasses.dataclass(frozen=True, slots=True)
class EqualSize(Memory):
    """All vGPUs of a card have one framebuffer size; the series may differ.

    Source: dumps of several hosts with one vGPU made, where the types of the
    same size show one less and all others 0.
    """

    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make it, of the same size as the others, up to the maximum."""
        if kind.gi_profile is not None or len(made) >= kind.max_instance:
            return None
        if any(m.kind.framebuffer != kind.framebuffer for m in made):
            return None
        return Made(kind)


@dataclasses.dataclass(frozen=True, slots=True)
class MixedSizes(Memory):
    """vGPUs of several sizes, each in one of the places of its type.

    Source: kernel_vgpu_mgr.c of NVIDIA's open-gpu-kernel-modules. A type can
    be made as long as one of its places is free, whatever `max_instance`
    says, and the driver takes the first that is.

    :param size: of the card, in GB
    :param blackwell: whether the card is a Blackwell or newer
    """

    size: int
    blackwell: bool = True

    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make it in the first place that nothing else lies in."""
        if kind.gi_profile is not None:
            return None
        for placement in self.free(kind, made, None):
            return Made(kind, placement=placement)
        return None

    def places(self, kind: VgpuType) -> nvidia_places.Places | None:
        """Tell where a time-sliced type may begin."""
        if kind.gi_profile is not None:
            return None
        gib = kind.framebuffer >> 10
        if self.blackwell:
            return nvidia_places.since_blackwell(
                self.size, gib, kind.max_instance
            )
        return nvidia_places.before_blackwell(self.size, gib)


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstance:
    """A GPU instance of MIG, in the words of ``nvidia-smi mig -lgi``.

    :param number: its id
    :param name: of its profile, as ``1g.10gb``
    :param profile: the profile's id
    :param start: its place on the card, and `size` its length, in slices
    :param memory: in GB; it counts where sizes mix
    :param mixed: whether sizes mix in it (``nvidia-smi vgpu -gi N -shm 1``)
    """

    number: int
    name: str
    profile: int
    start: int
    size: int
    memory: int = 0
    mixed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstances(Memory):
    """MIG's GPU instances, which an administrator has made.

    Source: kernel_vgpu_mgr.c of NVIDIA's open-gpu-kernel-modules. The driver
    takes the first GPU instance, by its id, that has room. One holds vGPUs of
    one framebuffer size, as many as the type says; where its sizes mix, it
    holds what finds a place, as a card does.

    :param instances: in the order of their list
    """

    instances: tuple[GpuInstance, ...] = ()

    def instance(self, number: int) -> GpuInstance | None:
        """Find a GPU instance by its id."""
        return next((i for i in self.instances if i.number == number), None)

    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make it in the first GPU instance that has room."""
        for instance in sorted(self.instances, key=lambda i: i.number):
            found = self._place(kind, made, instance)
            if found is not None:
                return found
        return None

    def _place(
        self, kind: VgpuType, made: Collection[Made], instance: GpuInstance
    ) -> Made | None:
        if instance.profile != kind.gi_profile:
            return None
        number = instance.number
        if instance.mixed:
            for placement in self.free(kind, made, number):
                return Made(kind, number, placement)
            return None
        beside = [m for m in made if m.gpu_instance == number]
        same = all(m.kind.framebuffer == kind.framebuffer for m in beside)
        return (
            Made(kind, number) if same and len(beside) < kind.per_gi else None
        )

    def places(self, kind: VgpuType) -> nvidia_places.Places | None:
        """Tell where a type may begin in the GPU instances of its profile."""
        for instance in self.instances:
            if instance.profile == kind.gi_profile and instance.mixed:
                return nvidia_places.since_blackwell(
                    instance.memory, kind.framebuffer >> 10, kind.per_gi
                )
        return None

    def move(
        self, made: Made, others: Collection[Made], placement: int
    ) -> Made | None:
        """Move it within its GPU instance, where sizes mix in that."""
        if made.placement is None:
            return None
        return Memory.move(self, made, others, placement)

    def move_to_instance(
        self, made: Made, others: Collection[Made], number: int
    ) -> Made | None:
        """Move it to another GPU instance, to the first place there."""
        instance = self.instance(number)
        if instance is None:
            return None
        return self._place(made.kind, others, instance)


def long_address(address: str) -> str:
    """Print an address as NVIDIA's command does: ``00000000:D5:00.0``."""
    return f'{address.upper():0>16}'
