"""NVIDIA's driver on kernels without mdevs: vGPUs through VFIO itself.

Sources: the refusals of ``creatable_vgpu_types`` and ``current_vgpu_type``
are those of the driver's source. It prints a list with a header, ``ID : vGPU
Name``, as users have shown of an L40S; NVIDIA's Virtual GPU Software User
Guide (17.x, 2.10.3.3) prints ``NVIDIA A40-1Q 557``, without one. Which branch
does which is unverified. What stands in ``gpu_instance_id`` and
``placement_id`` was seen by users. Since R570 both can be written once the VF
has a type, until its guest starts, and another GPU instance means its first
place (``kvgpumgrSetGpuInstanceId``, ``kvgpumgrSetPlacementId`` in
kernel_vgpu_mgr.c of NVIDIA's open-gpu-kernel-modules). Guesses: the EBUSY of a
vGPU that a process holds, the EIO of a place that is taken, and that nothing
can be made while nvidia-vgpu-mgr does not run.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.files.refusal import refusal

DAEMONS = ('nvidia-vgpud', 'nvidia-vgpu-mgr')


@dataclasses.dataclass(frozen=True, slots=True)
class VendorVfio(nvidia_card.NvidiaCard):
    """A card whose VFs become vGPUs.

    :param can_move: whether places can be written, as since R570
    :param names_first: whether its lists have the guide's form
    """

    can_move: bool = True
    names_first: bool = False

    @property
    def vf_mdev(self) -> None:
        """There are no mdevs."""
        return None

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the card."""
        return Running(self, pf)


class Running(nvidia_card.Running):
    """The driver of one card.

    :ivar made: the vGPU that each VF is
    """

    card: VendorVfio

    def __init__(self, card: VendorVfio, pf: pf_driver.Pf) -> None:
        super().__init__(card, pf)
        self.made: dict[str, nvidia.Made] = {}

    def files(self) -> Iterator[pf_driver.File]:
        """Give the folder ``nvidia`` of each VF that the driver has."""
        creatable = self._creatable()
        table = _names_first if self.card.names_first else _table
        for vf in self.pf.vfs:
            if not self.pf.has(vf):
                continue
            made = self.made.get(vf)
            number = made.kind.number if made else 0
            folder = f'{self.pf.place(vf)}/nvidia'
            types = [] if made else creatable
            yield pf_driver.File(
                f'{folder}/creatable_vgpu_types', table(types)
            )
            yield pf_driver.File(
                f'{folder}/current_vgpu_type', f'{number}\n', 0o644
            )
            # ENXIO until the VF is a vGPU.
            mode = 0o644 if self.card.can_move else 0o444
            gpu_instance = _text(made.gpu_instance) if made else None
            yield pf_driver.File(
                f'{folder}/gpu_instance_id', gpu_instance, mode
            )
            placement = _text(made.placement) if made else None
            yield pf_driver.File(f'{folder}/placement_id', placement, mode)

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of a VF's files does.

        :raises OSError: EINVAL for no number, EPERM for a number over
            another and for 0 over 0, EIO for a type that can't be made now
            and for a place that is not free, EBUSY while a process holds
            the VF, and for 0 while the manager keeps it
        """
        vf = os.path.basename(os.path.dirname(os.path.dirname(path)))
        if not re.fullmatch(r'\d{1,9}\n?', text):
            raise refusal(errno.EINVAL, f'{text!r} is no number')
        name = os.path.basename(path)
        if name != 'current_vgpu_type':
            self._move(vf, name, int(text))
        elif int(text):
            self._make(vf, int(text))
        else:
            self._remove(vf)

    def opened(self, vf: str) -> None:
        """Refuse a VF that is no vGPU.

        :raises OSError: ENODEV
        """
        if vf not in self.made:
            raise refusal(
                errno.ENODEV, f'current_vgpu_type of {vf} not configured'
            )

    def vgpus(self) -> Collection[nvidia.Made]:
        """List the vGPUs that exist."""
        return self.made.values()

    def enabled(self) -> None:
        """Forget the vGPUs on VFs that are gone."""
        self.made = {v: m for v, m in self.made.items() if v in self.pf.vfs}

    def _make(self, vf: str, number: int) -> None:
        if vf in self.made:
            raise refusal(errno.EPERM, f'{vf} is a vGPU already')
        kind = next((k for k in self.card.vgpus if k.number == number), None)
        made = None
        if kind is not None and self.pf.runs('nvidia-vgpu-mgr'):
            made = self.card.memory.place(kind, self.made.values())
        if made is None:
            why = 'NVRM: Failed to add vgpu create request: 0x38'
            raise refusal(errno.EIO, why)
        self.made[vf] = made

    def _remove(self, vf: str) -> None:
        if vf not in self.made:
            raise refusal(errno.EPERM, f'{vf} is no vGPU')
        if vf in self.pf.held or self.pf.keeps(vf):
            raise refusal(errno.EBUSY, f'{vf} is in use')
        del self.made[vf]

    def _move(self, vf: str, name: str, number: int) -> None:
        made = self.made[vf]
        if vf in self.pf.held:
            raise refusal(errno.EBUSY, f'{vf} is in use')
        others = [m for other, m in self.made.items() if other != vf]
        moved = self.card.memory.moved(made, others, name, number)
        if moved is None:
            raise refusal(errno.EIO, f'{vf} can not have {name} {number}')
        self.made[vf] = moved

    def _creatable(self) -> list[nvidia.VgpuType]:
        made = self.made.values()
        return [k for k in self.card.vgpus if self.card.memory.place(k, made)]


def _table(types: list[nvidia.VgpuType]) -> str:
    lines = ['ID    : vGPU Name\n']
    lines += (f'{kind.number:<5d} : {kind.name}\n' for kind in types)
    return ''.join(lines) if types else ''


def _names_first(types: list[nvidia.VgpuType]) -> str:
    return ''.join(f'{kind.name}  {kind.number}\n' for kind in types)


def _text(number: int | None) -> str:
    return 'Not Applicable\n' if number is None else f'{number}\n'
