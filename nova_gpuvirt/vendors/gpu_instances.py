"""The GPU instances of one of NVIDIA's cards, and in which sizes mix.

Sources: NVIDIA's MIG user guide, and users, for what ``nvidia-smi mig -lgi``
prints; its vGPU guide for ``nvidia-smi vgpu -ghm``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_types

# |   0  MIG 1g.10gb         19        7          0:1     |
_ROW = re.compile(
    r'^\|\s*\d+\s+MIG (?P<name>\S+(?: \S+)?)\s+(?P<profile>[0-9]{1,9})\s+'
    r'(?P<id>[0-9]{1,9})\s+(?P<start>[0-9]{1,9}):(?P<size>[0-9]{1,9})\s*\|$',
    re.M,
)
# What it says instead, and ends with an error. A refusal has other words
# behind the colon: "No GPU instances found: Insufficient Permissions".
_NONE = re.compile(
    r'No (?:GPU instances|MIG-enabled devices) found(?:: Not Found)?\.?\s*$',
    re.M,
)


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstance:
    """A GPU instance: its number, its profile's name and id, its place."""

    number: int
    name: str
    profile: int
    start: int
    size: int


def read(
    ask: Callable[[model.PciAddress], str], address: model.PciAddress
) -> tuple[GpuInstance, ...]:
    """List the GPU instances of a card.

    :param ask: lists them as ``nvidia-smi mig -lgi`` does, as root
    :raises CommandFailed: when the command does not tell
    """
    try:
        text = ask(address)
    except commands.CommandFailed as error:
        if not says_none(str(error)):
            raise
        return ()
    found = parse(text)
    if found is None:
        raise commands.CommandFailed(
            f'nvidia-smi mig -lgi tells of no GPU instances: {text[:200]!r}'
        )
    return found


def parse(text: str) -> tuple[GpuInstance, ...] | None:
    """Read ``nvidia-smi mig -lgi``.

    :returns: None where the text neither has rows nor says that there are
        none
    """
    found = tuple(
        GpuInstance(
            int(row['id']),
            row['name'],
            int(row['profile']),
            int(row['start']),
            int(row['size']),
        )
        for row in _ROW.finditer(text)
    )
    return found if found or says_none(text) else None


def says_none(text: str) -> bool:
    """Tell whether it says that there are no GPU instances."""
    return _NONE.search(text) is not None


def shared(
    instances: Sequence[GpuInstance],
    types: Mapping[int, nvidia_types.VgpuType],
) -> tuple[GpuInstance, ...]:
    """List those in which several vGPUs live, whose sizes may mix.

    :param types: those that the card knows
    """
    profiles = {
        t.gi_profile
        for t in types.values()
        if (t.per_gi or 1) > 1 and t.placement_ids
    }
    return tuple(i for i in instances if i.profile in profiles)


def mixed(
    run: commands.Run,
    address: model.PciAddress,
    instances: Sequence[GpuInstance],
) -> tuple[GpuInstance, ...]:
    """List those in which vGPUs of several sizes mix.

    :param instances: those in which several live: of others it is not asked
    :raises CommandHangs: when the command does not end
    """
    return tuple(i for i in instances if _is_mixed(run, address, i.number))


def _is_mixed(
    run: commands.Run, address: model.PciAddress, number: int
) -> bool:
    """Ask whether sizes mix in a GPU instance; without an answer, no.

    :raises CommandHangs: when the command does not end
    """
    words = ('vgpu', '-gi', str(number), '-ghm', '-i', str(address))
    try:
        text = run(('nvidia-smi', *words))
    except commands.CommandHangs:
        raise
    except commands.CommandFailed:  # older ones don't know the question
        return False
    return re.search(r'\bEnabled\b', text) is not None
