"""How vendors' drivers share a card among mdevs.

Each behaviour is a pure function from the mdevs that exist to what can still
be created, and a list of types in the vendor's format; NVIDIA's also tells
where each mdev lies.
"""

from __future__ import annotations

import abc
import dataclasses
import errno
from collections.abc import Mapping
from collections.abc import Sequence
from typing import ClassVar

from nova_gpuvirt.simulation.drivers import nvidia


@dataclasses.dataclass(frozen=True, slots=True)
class MdevType:
    """What ``mdev_supported_types/<driver>-<group>`` says.

    :param group: the type's id without the driver's name before it
    :param description: the file's text without its last newline
    """

    group: str
    name: str
    description: str
    device_api: str = 'vfio-pci'


@dataclasses.dataclass(frozen=True, slots=True)
class Mdev:
    """An mdev that exists.

    :param group: its type's
    :param vgpu: of NVIDIA's driver, where it lies
    """

    group: str
    vgpu: nvidia.Made | None = None


class Behaviour(abc.ABC):
    """How one parent makes mdevs."""

    driver: ClassVar[str]
    """The driver on the mdev bus that has the mdevs."""

    no_capacity: ClassVar[int]
    """The errno of ``create`` when nothing is left of the type."""

    @abc.abstractmethod
    def types(self) -> tuple[MdevType, ...]:
        """List the types that the parent supports."""

    @abc.abstractmethod
    def available(
        self, own: Sequence[Mdev], card: Sequence[Mdev]
    ) -> dict[str, int]:
        """Say how many mdevs of each group the parent can still make.

        :param own: the mdevs that the parent has
        :param card: those that its card has, all VFs of it together
        """

    def shared(self, memory: nvidia.Memory) -> Behaviour:
        """Tell how it is while vGPUs of NVIDIA's share the card so."""
        return self

    def make(self, group: str, card: Sequence[Mdev]) -> Mdev:
        """Make one more mdev, which the card has room for."""
        return Mdev(group)

    def attributes(self, mdev: Mdev) -> Mapping[str, str]:
        """Give the texts of an mdev's own files, below its folder."""
        return {}

    def move(
        self, mdev: Mdev, others: Sequence[Mdev], name: str, number: int
    ) -> Mdev | None:
        """Do what a write of a number to an mdev's own file does.

        :returns: None for what can't be done
        """
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Nvidia(Behaviour):
    """A card with NVIDIA's vGPU driver.

    Seen once in the field, not verified: a refused ``create`` fails with EIO
    ("I/O error", and in the kernel log "vGPU creation failed on device
    0x400. -5"), and the mdevs' driver is ``nvidia-vgpu-vfio``. A VF says 1 of
    a type that the card has room for, and 0 of all once it has an mdev; in
    MIG mode only types for GPU instances are listed, and without it only
    others (kernel_vgpu_mgr.c of NVIDIA's open-gpu-kernel-modules). A user of
    an RTX PRO 6000 wrote ``placement_id`` below an mdev's folder ``nvidia``.

    :param on_vfs: whether its mdevs are made on VFs, one on each, as on
        Ampere
    :param memory: how they share the card
    """

    vgpus: tuple[nvidia.VgpuType, ...]
    on_vfs: bool = False
    memory: nvidia.Memory = nvidia.EqualSize()

    driver: ClassVar[str] = 'nvidia-vgpu-vfio'
    no_capacity: ClassVar[int] = errno.EIO

    def types(self) -> tuple[MdevType, ...]:
        """List the types, named and described as NVIDIA does."""
        return tuple(
            MdevType(str(vgpu.number), vgpu.name, vgpu.description)
            for vgpu in self._listed()
        )

    def shared(self, memory: nvidia.Memory) -> Nvidia:
        """Share the card in this way."""
        return dataclasses.replace(self, memory=memory)

    def _listed(self) -> list[nvidia.VgpuType]:
        mig = isinstance(self.memory, nvidia.GpuInstances)
        return [v for v in self.vgpus if (v.gi_profile is not None) is mig]

    def available(
        self, own: Sequence[Mdev], card: Sequence[Mdev]
    ) -> dict[str, int]:
        """Apply the card's own rule, and the VF's own limit."""
        made = _vgpus(card)
        counts = {}
        for vgpu in self._listed():
            count = 0
            if self.memory.place(vgpu, made):
                count = max(vgpu.max_instance - len(made), 1)
            if self.on_vfs:
                count = 0 if own else min(count, 1)
            counts[str(vgpu.number)] = count
        return counts

    def make(self, group: str, card: Sequence[Mdev]) -> Mdev:
        """Make one more mdev, where the driver puts it."""
        kind = next(v for v in self.vgpus if str(v.number) == group)
        return Mdev(group, self.memory.place(kind, _vgpus(card)))

    def attributes(self, mdev: Mdev) -> Mapping[str, str]:
        """Tell where the vGPU lies, on cards where that may matter."""
        if isinstance(self.memory, nvidia.EqualSize):
            return {}
        assert mdev.vgpu is not None
        return {
            f'nvidia/{name}': 'Not Applicable' if n is None else str(n)
            for name, n in (
                ('gpu_instance_id', mdev.vgpu.gpu_instance),
                ('placement_id', mdev.vgpu.placement),
            )
        }

    def move(
        self, mdev: Mdev, others: Sequence[Mdev], name: str, number: int
    ) -> Mdev | None:
        """Move the vGPU, if there is room for it."""
        assert mdev.vgpu is not None
        moved = self.memory.moved(mdev.vgpu, _vgpus(others), name, number)
        return dataclasses.replace(mdev, vgpu=moved) if moved else None


def _vgpus(mdevs: Sequence[Mdev]) -> list[nvidia.Made]:
    return [mdev.vgpu for mdev in mdevs if mdev.vgpu]


@dataclasses.dataclass(frozen=True, slots=True)
class _GvtgConfig:
    name: str
    low: int
    high: int
    fences: int
    weight: int
    resolution: str


# drivers/gpu/drm/i915/gvt/vgpu.c, intel_vgpu_configs; sizes in MiB.
_GVTG_CONFIGS = (
    _GvtgConfig('8', 64, 384, 4, 2, '1024x768'),
    _GvtgConfig('4', 128, 512, 4, 4, '1920x1200'),
    _GvtgConfig('2', 256, 1024, 4, 8, '1920x1200'),
    _GvtgConfig('1', 512, 2048, 4, 16, '1920x1200'),
)
# drivers/gpu/drm/i915/gvt/gvt.h, HOST_LOW_GM_SIZE and so on.
_GVTG_HOST = _GvtgConfig('host', 128, 384, 4, 0, '')


@dataclasses.dataclass(frozen=True, slots=True)
class Gvtg(Behaviour):
    """An Intel iGPU with GVT-g.

    Source: drivers/gpu/drm/i915/gvt (vgpu.c, kvmgt.c, aperture_gm.c). Three
    budgets: low graphics memory (the aperture), high graphics memory (the
    rest of the GGTT) and fences; types draw on them together.

    :param aperture: MiB, set in the firmware
    :param ggtt: MiB, the whole global graphics address space
    :param generation: 4 for Broadwell, 5 for Skylake to Comet Lake
    """

    aperture: int
    ggtt: int = 4096
    fences: int = 32
    generation: int = 5

    driver: ClassVar[str] = 'intel_vgpu_mdev'
    no_capacity: ClassVar[int] = errno.ENOSPC

    def types(self) -> tuple[MdevType, ...]:
        """List the types that fit into the empty aperture."""
        return tuple(
            MdevType(
                self._group(config),
                f'GVTg_V{self.generation}_{config.name}',
                f'low_gm_size: {config.low}MB\n'
                f'high_gm_size: {config.high}MB\n'
                f'fence: {config.fences}\n'
                f'resolution: {config.resolution}\n'
                f'weight: {config.weight}',
            )
            for config in self._fitting()
        )

    def available(
        self, own: Sequence[Mdev], card: Sequence[Mdev]
    ) -> dict[str, int]:
        """Divide what is left of the three budgets, for each type anew."""
        configs = {self._group(c): c for c in self._fitting()}
        taken = [configs[mdev.group] for mdev in own] + [_GVTG_HOST]
        low = self.aperture - sum(c.low for c in taken)
        high = self.ggtt - self.aperture - sum(c.high for c in taken)
        fences = self.fences - sum(c.fences for c in taken)
        return {
            group: min(low // c.low, high // c.high, fences // c.fences)
            for group, c in configs.items()
        }

    def _group(self, config: _GvtgConfig) -> str:
        return f'GVTg_V{self.generation}_{config.name}'

    def _fitting(self) -> tuple[_GvtgConfig, ...]:
        low = self.aperture - _GVTG_HOST.low
        return tuple(c for c in _GVTG_CONFIGS if c.low <= low)
