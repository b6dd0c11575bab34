"""The modes of one of NVIDIA's cards, which a reboot may end.

Source: NVIDIA's vGPU guide 7.2.1.3 and its MIG user guide, for what
``nvidia-smi -q`` prints.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import gpu_instance_profiles
from nova_gpuvirt.vendors import gpu_instances as gpu_instances_
from nova_gpuvirt.vendors import nvidia_output
from nova_gpuvirt.vendors import nvidia_types

_MIG = re.compile(
    r'^[ \t]+MIG Mode[ \t]*\n[ \t]+Current[ \t]*:[ \t]*(?P<now>\S+)'
    r'(?:[ \t]*\n[ \t]+Pending[ \t]*:[ \t]*(?P<soon>\S+))?',
    re.M,
)
_WORDS = {'Enabled': True, 'Disabled': False}


@dataclasses.dataclass(frozen=True, slots=True)
class Modes:
    """The modes of a card; None is what it can't have, or was not told.

    `mig_pending` is what MIG mode will be after a reset of the card.
    `shared_instances` are the numbers of GPU instances that several vGPUs
    share, and `mixed_instances` of those in which their sizes mix.
    `gi_profiles` are those that it can have, none where it does not tell.
    """

    mig: bool | None
    mig_pending: bool | None
    mixed_sizes: bool | None
    gpu_instances: tuple[gpu_instances_.GpuInstance, ...]
    shared_instances: frozenset[int] | None = None
    mixed_instances: frozenset[int] = frozenset()
    gi_profiles: tuple[gpu_instance_profiles.GiProfile, ...] = ()


def read(
    run: commands.Run,
    gpu_instances: Callable[[model.PciAddress], str],
    gi_profiles: Callable[[model.PciAddress], str],
    address: model.PciAddress,
) -> Modes:
    """Ask for the modes of a card.

    :param gpu_instances: lists GPU instances, as root
    :param gi_profiles: lists those that it can have, as root
    :raises CommandFailed: when the command does not tell
    """
    text = run(('nvidia-smi', '-q', '-i', str(address)))
    settings = nvidia_output.settings(text)
    found = _MIG.search(text)
    mig = _WORDS.get(found['now']) if found else None
    instances = gpu_instances_.read(gpu_instances, address) if mig else ()
    shared = _shared(run, address, instances)
    mixed = gpu_instances_.mixed(run, address, shared or ())
    return Modes(
        mig,
        _WORDS.get(found['soon'] or '') if found else None,
        _mixed(settings),
        instances,
        None if shared is None else _numbers(shared),
        _numbers(mixed),
        gpu_instance_profiles.read(gi_profiles, address) if mig else (),
    )


def _mixed(settings: dict[str, str]) -> bool | None:
    """Tell whether sizes mix; the capability is what the card can at all."""
    if settings.get('Heterogeneous Time-Slice Sizes') != 'Supported':
        return None
    return _WORDS.get(settings.get('vGPU Heterogeneous Mode', ''))


def _shared(
    run: commands.Run,
    address: model.PciAddress,
    instances: Sequence[gpu_instances_.GpuInstance],
) -> tuple[gpu_instances_.GpuInstance, ...] | None:
    """List the GPU instances that several vGPUs share.

    :returns: None where the types of vGPUs are not known
    """
    if not instances:
        return ()
    argv = ('nvidia-smi', 'vgpu', '-s', '-v', '-i', str(address))
    try:
        types = nvidia_types.parse(run(argv))
    except commands.CommandHangs:
        raise
    except commands.CommandFailed:  # a host whose driver makes no vGPUs
        return None
    return gpu_instances_.shared(instances, types)


def _numbers(
    instances: Sequence[gpu_instances_.GpuInstance],
) -> frozenset[int]:
    return frozenset(instance.number for instance in instances)
