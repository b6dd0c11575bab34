"""How vendors' drivers share a card among mdevs.

Each behaviour is a pure function from the mdevs that exist to what can still
be created, and a list of types in the vendor's format.
"""

from __future__ import annotations

import abc
import dataclasses
import errno
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
        self, own: Sequence[str], card: Sequence[str]
    ) -> dict[str, int]:
        """Say how many mdevs of each group the parent can still make.

        :param own: the group of each mdev that the parent has
        :param card: of each that its card has, all VFs of it together
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Nvidia(Behaviour):
    """A card with NVIDIA's vGPU driver.

    Seen once in the field, not verified: a refused ``create`` fails with EIO
    ("I/O error", and in the kernel log "vGPU creation failed on device
    0x400. -5"), and the mdevs' driver is ``nvidia-vgpu-vfio``.

    :param on_vfs: whether its mdevs are made on VFs, one on each, as on
        Ampere
    """

    vgpus: tuple[nvidia.VgpuType, ...]
    on_vfs: bool = False

    driver: ClassVar[str] = 'nvidia-vgpu-vfio'
    no_capacity: ClassVar[int] = errno.EIO

    def types(self) -> tuple[MdevType, ...]:
        """List the types, named and described as NVIDIA does."""
        return tuple(
            MdevType(str(vgpu.number), vgpu.name, vgpu.description)
            for vgpu in self.vgpus
        )

    def available(
        self, own: Sequence[str], card: Sequence[str]
    ) -> dict[str, int]:
        """Apply the equal-size rule to the card, and the VF's own limit."""
        by_group = {str(vgpu.number): vgpu for vgpu in self.vgpus}
        made = [nvidia.Made(by_group[group]) for group in card]
        counts = {}
        for group, vgpu in by_group.items():
            count = 0
            if nvidia.EqualSize().place(vgpu, made):
                count = vgpu.max_instance - len(made)
            if self.on_vfs:
                count = 0 if own else min(count, 1)
            counts[group] = count
        return counts


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
        self, own: Sequence[str], card: Sequence[str]
    ) -> dict[str, int]:
        """Divide what is left of the three budgets, for each type anew."""
        configs = {self._group(c): c for c in self._fitting()}
        taken = [configs[group] for group in own] + [_GVTG_HOST]
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
