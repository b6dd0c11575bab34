"""What one card is now, as far as a layout can say it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_gpuvirt.vendors import gpu_instance_profiles
from nova_gpuvirt.vendors import gpu_instances as gpu_instances_


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """A card as it is; None is what it can't have, or what is not known.

    `is_overridden` is whether ``driver_override`` names VFIO's driver, as
    libvirt writes it for as long as a guest has the card.
    `shared_instances` are the numbers of GPU instances that several vGPUs
    share, and `mixed_instances` of those in which their sizes mix.
    `gi_profiles` are those of GPU instances, none where it does not tell.
    `vf_memory` is what each VF has of the card's memory, in bytes, by the
    number of the VF from 1; those that are not enabled may have some too.
    `unknown` says why something could not be read, by what: names of `Wish`.
    """

    driver: str | None = None
    is_overridden: bool = False
    vfs: int = 0
    total_vfs: int = 0
    mig: bool | None = None
    mig_pending: bool | None = None
    gpu_instances: tuple[gpu_instances_.GpuInstance, ...] = ()
    mixed_sizes: bool | None = None
    shared_instances: frozenset[int] | None = None
    mixed_instances: frozenset[int] = frozenset()
    gi_profiles: tuple[gpu_instance_profiles.GiProfile, ...] = (
        dataclasses.field(default=(), repr=False)
    )
    partition: str | None = None
    memory_mode: str | None = None
    vf_memory: Mapping[int, int] = dataclasses.field(default_factory=dict)
    unknown: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def that_mix(self) -> list[int]:
        """List the GPU instances in which sizes mix, or may."""
        shared = self.shared_instances
        numbers = [instance.number for instance in self.gpu_instances]
        return (
            numbers if shared is None else [n for n in numbers if n in shared]
        )

    def without_gpu_instances(self) -> State:
        """Give the same card without GPU instances."""
        return dataclasses.replace(
            self,
            gpu_instances=(),
            shared_instances=None,
            mixed_instances=frozenset(),
        )
