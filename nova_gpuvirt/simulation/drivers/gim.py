"""AMD's drivers of cards with VFs: both are named gim.

The legacy one (GPUOpen MxGPU-Virtualization) runs the S7150, the current one
(amd/MxGPU-Virtualization) newer cards. Either makes the VFs when it is loaded
and obeys no ``sriov_numvfs``, so a description has them ``enabled``, and not
``configurable``. A driver that gets its card back makes them again; here only
a start of the host does.

Source: gim_shim/sysfs/gim_monitor.c and libgv/core of the current one, of
2025-04, and drv/gim_adapter.c of the legacy one. Writes succeed although
nothing has changed; only what can't be parsed is EINVAL. Left out of the
current one are guard_status, guard_threshold, psp_vbflash and the driver's
own files, of the legacy one its command files and the driver's own files.

Guesses: that a guest's driver uses a VF as long as a process holds it, that
``num_sdma`` of an MI300X is 16, and that cards without partitions show the
texts of a failure. The driver changes all cards of a hive together; here
each card changes alone.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from collections.abc import Iterator
from typing import ClassVar

from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.files.refusal import refusal

_MODES = {1: 'SPX', 2: 'DPX', 4: 'QPX', 8: 'CPX'}
_HBM3 = 0x80
_RESOURCES = (
    ('XCC', 1, 1),
    ('XCC', 2, 1),
    ('XCC', 4, 1),
    ('XCC', 8, 1),
    ('DECODER', 1, 2),
    ('DECODER', 1, 1),
    ('DECODER', 2, 1),
    ('DECODER', 4, 1),
)
# What the memory mode brings with it, by the number of VFs.
_DEFAULTS = {
    (1, 1): 1,
    (1, 4): 8,
    (2, 1): 2,
    (4, 1): 4,
    (4, 4): 4,
    (8, 1): 8,
    (8, 4): 8,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Profile:
    """How the compute units of an MI300X are divided.

    :param memory: the NPS modes that it goes with
    :param resources: what each partition has, by their index
    :param vfs: the numbers of VFs that it goes with
    """

    partitions: int
    memory: tuple[int, ...]
    resources: tuple[int, ...]
    vfs: tuple[int, ...]

    @property
    def parts(self) -> str:
        one = ''.join(f'{n} ' for n in self.resources)
        return f'[{f"[{one}]" * self.partitions}]'


_PROFILES = (
    _Profile(1, (1,), (3, 7), (1,)),
    _Profile(2, (1,), (2, 6), (2,)),
    _Profile(4, (1, 4), (1, 5), (4,)),
    _Profile(8, (1, 4), (0, 4), (1, 2, 4, 8)),
)


@dataclasses.dataclass(frozen=True, slots=True)
class LegacyGim(pf_driver.PfDriver):
    """A card of the legacy driver: its PF has none of the files below."""

    makes_vfs: ClassVar[bool] = True

    def start(self, pf: pf_driver.Pf) -> LegacyRunning:
        """Let the driver have the card."""
        return LegacyRunning(pf)


class LegacyRunning(pf_driver.Running):
    """The legacy driver of one card."""

    def files(self) -> Iterator[pf_driver.File]:
        """Give what each VF has: nothing in it until a guest runs."""
        for vf in self.pf.vfs:
            yield pf_driver.File(f'{self.pf.place(vf)}/vf_load_status', '')


@dataclasses.dataclass(frozen=True, slots=True)
class Gim(pf_driver.PfDriver):
    """A card of the current driver.

    :param partitions: of its compute units: 1, 2, 4 or 8; 0 for a card that
        can't be partitioned
    :param memory: the partitions of its memory, n of ``NPSn``: 1 or 4, and of
        an MI350X 1 or 2 (release notes of gim 9.2 to 9.4)
    :param vram: bytes
    """

    partitions: int = 0
    memory: int = 1
    vram: int = 0

    makes_vfs: ClassVar[bool] = True

    def at_load(self, vfs: int) -> Gim:
        """Describe the card as the driver has it when it is loaded.

        Its memory is whole, and the rest follows from that as after a write
        (a guess): SPX with one VF.
        """
        if not self.partitions:
            return self
        partitions = _DEFAULTS.get((vfs, 1), self.partitions)
        return dataclasses.replace(self, partitions=partitions, memory=1)

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the card."""
        return Running(self, pf)


class Running(pf_driver.Running):
    """The current driver of one card.

    :ivar partitions: the card's now, and `memory` those of its memory
    """

    def __init__(self, card: Gim, pf: pf_driver.Pf) -> None:
        super().__init__(pf)
        self.card = card
        self.partitions = card.partitions
        self.memory = card.memory
        self._self_switch = 1

    def files(self) -> Iterator[pf_driver.File]:
        """Give the files of the PF; only root may read them."""
        place = self.pf.place(self.pf.address)
        for name, mode, text in (
            ('accelerator_partition_profile', 0o600, self._profile()),
            ('accelerator_partition_profile_config', 0o400, self._config()),
            ('memory_partition_config', 0o400, self._memory_modes()),
            ('memory_partition_mode', 0o600, self._memory()),
            # The real one resets the card when it is read: nobody may.
            ('reset_gpu', 0o400, None),
            ('self_switch', 0o600, f'{self._self_switch}\n'),
            ('spatial_partition_caps', 0o400, self._caps()),
            ('spatial_partition_mode', 0o400, self._mode()),
        ):
            yield pf_driver.File(f'{place}/{name}', text, mode)

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of the files does.

        A mode that can't be had now is accepted, without effect.

        :raises OSError: EINVAL for no number and for no memory mode
        """
        match os.path.basename(path):
            case 'memory_partition_mode':
                self._set_memory(text)
            case 'accelerator_partition_profile':
                self._set_profile(_number(text))
            case 'self_switch':
                self._self_switch = int(_number(text) != 0)
            case _:
                super().store(path, text)

    def _set_memory(self, text: str) -> None:
        word = re.match(r'\s*(?i:NPS([1248]))', text)
        if word is None:
            raise refusal(errno.EINVAL, f'{text!r} is no memory mode')
        memory = {8: 4}.get(int(word[1]), int(word[1]))
        partitions = _DEFAULTS.get((len(self.pf.vfs), memory))
        if partitions and memory != self.memory and self._may_change():
            self.memory = memory
            self.partitions = partitions

    def _set_profile(self, index: int) -> None:
        profiles = self._profiles()
        if index < len(profiles) and self._may_change():
            profile = profiles[index]
            if self.memory in profile.memory:
                self.partitions = profile.partitions

    def _may_change(self) -> bool:
        used = any(vf in self.pf.held for vf in self.pf.vfs)
        return bool(self.partitions) and not used

    def _profiles(self) -> list[_Profile]:
        """List those that go with the number of VFs; the index counts them."""
        return [p for p in _PROFILES if len(self.pf.vfs) in p.vfs]

    def _profile(self) -> str:
        lines = [
            _columns('profile_index', 'profile_type', 'num_of_partitions'),
            _columns('num_of_resources'),
            'resource_index_in_resource_profiles\n',
        ]
        for index, profile in enumerate(self._profiles()):
            if profile.partitions == self.partitions:
                mode = _MODES[profile.partitions]
                lines += (
                    _columns(index, mode, profile.partitions),
                    _columns(len(profile.resources)),
                    f'{profile.parts}\n',
                )
                return ''.join(lines)
        return 'failed to get current accelerator partition profile\n'

    def _config(self) -> str:
        if not self.partitions:
            return 'failed to get cp profile\n'
        lines = [
            'resource_profiles:\n',
            _columns('resource_index', 'resource_type'),
            _columns('resource_in_partition', 'num_partitions_share_resource'),
            '\n',
        ]
        lines += (
            f'{_columns(index, *resource)}\n'
            for index, resource in enumerate(_RESOURCES)
        )
        lines += (
            'profiles:\n',
            _columns('profile_index', 'profile_type', 'num_of_partitions'),
            _columns('memory_caps', 'num_of_resources', 'resource_index'),
            '\n',
        )
        for index, profile in enumerate(self._profiles()):
            memory = ''.join(f'NPS{n} ' for n in profile.memory)
            lines += (
                _columns(index, _MODES[profile.partitions]),
                _columns(profile.partitions, memory, len(profile.resources)),
                f'{profile.parts}\n',
            )
        return ''.join(lines)

    def _memory_modes(self) -> str:
        if not self.partitions:
            return 'failed to get mp caps\n'
        return 'NPS1 NPS4 \n'

    def _memory(self) -> str:
        if not self.partitions:
            return 'failed to get current mp mode\n'
        size = self.card.vram // self.memory
        lines = [
            f'memory_partition_mode: NPS{self.memory}\n',
            f'numa_count: {self.memory}\n',
        ]
        lines += (
            f'NUMA{n} type={_HBM3} start=0x{n * size:016x} '
            f'end=0x{(n + 1) * size - 1:016x}\n'
            for n in range(self.memory)
        )
        return ''.join(lines)

    def _caps(self) -> str:
        if not self.partitions:
            return 'failed to get sp caps\n'
        return 'num_xcc=8 num_sdma=16 num_vcn=4 num_jpeg=8\n'

    def _mode(self) -> str:
        if not self.partitions:
            return 'failed to get current sp mode\n'
        return f'{_MODES[self.partitions]}\n'


def _columns(*cells: object) -> str:
    return ''.join(f'{cell!s:<20}' for cell in cells)


def _number(text: str) -> int:
    """Parse as sscanf does with %u: what follows the digits is let be."""
    match = re.match(r'\s*\+?(\d+)', text)
    if match is None:
        raise refusal(errno.EINVAL, f'{text!r} is no number')
    return int(match[1])
