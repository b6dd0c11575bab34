"""The types of vGPU that NVIDIA's command knows of a card."""

from __future__ import annotations

import dataclasses
import re

from nova_gpuvirt.host import numerals
from nova_gpuvirt.vendors import nvidia_output

# A card has at most 48 vGPUs (ctrla081.h of open-gpu-kernel-modules). Places
# are compared with each other: a list of more is no list of places.
_MOST_PLACES = 64
_BLOCK = re.compile(r'^(?=[ \t]*vGPU Type ID[ \t]*:)', re.M)


@dataclasses.dataclass(frozen=True, slots=True)
class VgpuType:
    """A type of vGPU, from a block of ``nvidia-smi vgpu -s -v``.

    :ivar number: as ``current_vgpu_type`` has it
    :ivar gi_profile: the id of the GPU instance profile that it needs, None
        for a time-sliced one
    :ivar per_vm: how many vGPUs a guest may have that has one
    :ivar per_gi: how many one GPU instance holds
    :ivar placement_size: where sizes mix, how much of the memory each takes,
        in units of the ids
    :ivar placement_ids: the ids that one may begin at then
    :ivar exclusive: whether a guest that has one may have no other vGPU
    """

    number: int
    name: str
    gi_profile: int | None
    max_instances: int | None
    per_vm: int | None
    per_gi: int | None
    framebuffer_mib: int | None
    placement_size: int | None = None
    placement_ids: tuple[int, ...] = ()
    exclusive: bool = False

    @property
    def per_guest(self) -> int | None:
        """Tell how many vGPUs a guest may have, None if nobody says."""
        return 1 if self.exclusive else self.per_vm or None


def parse(text: str) -> dict[int, VgpuType]:
    """Read the blocks of ``nvidia-smi vgpu -s -v``.

    Its numbers are hexadecimal, those of sysfs decimal. A block that misses
    its name or its number is left out.
    """
    types = {}
    for block in _BLOCK.split(text)[1:]:
        values = nvidia_output.settings(block)
        name = values.get('Name')
        number = numerals.hexadecimal(values.get('vGPU Type ID'))
        if name and number:
            types[number] = VgpuType(
                number,
                name,
                gi_profile=numerals.decimal(
                    values.get('GPU Instance Profile ID')
                ),
                max_instances=numerals.decimal(values.get('Max Instances')),
                per_vm=numerals.decimal(values.get('Max Instances Per VM')),
                per_gi=numerals.decimal(values.get('Max Instances Per GI')),
                framebuffer_mib=numerals.decimal(
                    values.get('FB Memory', '').removesuffix(' MiB')
                ),
                placement_size=numerals.decimal(values.get('Placement Size')),
                placement_ids=_ids(values.get('Supported Placement IDs', '')),
                exclusive=values.get('Multi vGPU Exclusive') == 'True',
            )
    return types


def _ids(text: str) -> tuple[int, ...]:
    """Read placement ids, each once: nothing where there are too many."""
    ids = dict.fromkeys(
        start
        for word in text.split()
        if (start := numerals.decimal(word)) is not None
    )
    return tuple(ids) if len(ids) <= _MOST_PLACES else ()
