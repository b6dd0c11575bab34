"""NVIDIA's types of vGPU, and which of them a card has room for."""

from __future__ import annotations

import abc
import dataclasses
from collections import Counter
from collections.abc import Collection


@dataclasses.dataclass(frozen=True, slots=True)
class VgpuType:
    """A type of vGPU.

    :param number: in decimal, as sysfs has it; it differs between branches
    :param framebuffer: MiB, nominal
    :param max_instance: how many an empty card holds
    :param frl: frames a second
    :param gi_profile: of MIG, the profile of the GPU instance that it needs
    :param per_gi: how many of them one GPU instance holds
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
    """vGPUs of several sizes, each at a multiple of its own size.

    A guess: NVML lists the placements that a type may have on a card, and
    nothing public says which those are. Here a type of which n fit divides
    the card into n equal places.

    :param size: of the card, in any unit that all types divide
    """

    size: int

    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make it in the first place that nothing else lies in."""
        if kind.gi_profile is not None:
            return None
        own = self.size // kind.max_instance
        taken = [
            (m.placement or 0, (m.placement or 0) + self._length(m))
            for m in made
        ]
        for number in range(kind.max_instance):
            start = number * own
            if all(start + own <= a or b <= start for a, b in taken):
                return Made(kind, placement=start)
        return None

    def _length(self, made: Made) -> int:
        return self.size // made.kind.max_instance


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstance:
    """A GPU instance of MIG, in the words of ``nvidia-smi mig -lgi``.

    :param name: of its profile, as ``1g.10gb``
    :param profile: the profile's id
    :param start: its place on the card, and `size` its length, in slices
    """

    name: str
    profile: int
    start: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstances(Memory):
    """MIG's GPU instances, which an administrator has made.

    One holds vGPUs of one framebuffer size, as many as the type says; the
    driver chooses it (seen by users of RTX PRO 6000 with driver 580).

    :param instances: by their ids
    """

    instances: tuple[GpuInstance, ...]

    def place(self, kind: VgpuType, made: Collection[Made]) -> Made | None:
        """Make it in the first GPU instance that has room."""
        sizes = {m.gpu_instance: m.kind.framebuffer for m in made}
        counts = Counter(m.gpu_instance for m in made)
        for number, instance in enumerate(self.instances):
            same = sizes.get(number, kind.framebuffer) == kind.framebuffer
            if (
                instance.profile == kind.gi_profile
                and same
                and counts[number] < kind.per_gi
            ):
                return Made(kind, gpu_instance=number)
        return None
