"""What ``nvidia-smi mig`` of a simulated host lists, makes and removes.

Tables and lines are those that NVIDIA's MIG user guide and users show. Whoever
asks must be root (NVML: "requires privileged user"). Others are refused where
there are GPU instances, with the two lines that users have shown; where there
are none they are told so, as root is. The exit codes are those of
nvidia-smi(1), 4 for no permission and 6 for nothing found; that a card without
MIG mode ends with 6 too is a guess. Compute instances are not simulated: there
are none, which the command says with the same words.
"""

from __future__ import annotations

from collections.abc import Sequence

from nova_gpuvirt.simulation.commands import nvidia_modes
from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card

_NO_PERMISSION = nvidia_card.Nvml.NO_PERMISSION
_NOT_FOUND = nvidia_card.Nvml.NOT_FOUND


def run(
    running: nvidia_card.Running, question: Sequence[str], as_root: bool
) -> str | None:
    """Answer one call.

    :returns: None for what is no question of its
    :raises nvidia_modes.Failed: when it fails
    """
    memory = running.card.memory
    if not isinstance(memory, nvidia.GpuInstances):
        raise _not_found('No MIG-enabled devices found.\n')
    match question:
        case ['-lgi']:
            return _instances(memory, as_root)
        case ['-lgip']:
            return _profiles(running, as_root)
        case ['-cgi', profiles]:
            return _make(running, profiles, as_root)
        case ['-dgi']:
            return _remove(running, memory, as_root)
        case ['-dci']:
            raise _not_found('No compute instances found: Not Found\n')
    return None


def _make(running: nvidia_card.Running, profiles: str, as_root: bool) -> str:
    """Make one after the other; those before a refusal stay."""
    lines: list[str] = []
    for text in profiles.split(','):
        try:
            if not as_root:
                raise nvidia_card.Refused(_NO_PERMISSION)
            made = running.make_instance(text)
        except nvidia_card.Refused as error:
            lines += (
                'Unable to create a GPU instance on GPU  0 using profile '
                f'{text.partition(":")[0]}: {error}\n',
                f'Failed to create GPU instances: {error}\n',
            )
            raise nvidia_modes.Failed(error.nvml, ''.join(lines)) from error
        lines.append(
            f'Successfully created GPU instance ID {made.number:>2} on GPU  0 '
            f'using profile MIG {made.name} (ID {made.profile:>2})\n'
        )
    return ''.join(lines)


def _remove(
    running: nvidia_card.Running, memory: nvidia.GpuInstances, as_root: bool
) -> str:
    """Remove one after the other, until one is in use."""
    _refuse_none(memory)
    lines: list[str] = []
    for instance in memory.instances:
        try:
            if not as_root:
                raise nvidia_card.Refused(_NO_PERMISSION)
            running.remove_instance(instance)
        except nvidia_card.Refused as error:
            lines += (
                f'Unable to destroy GPU instance ID {instance.number:>2} '
                f'from GPU  0: {error}\n',
                f'Failed to destroy GPU instances: {error}\n',
            )
            raise nvidia_modes.Failed(error.nvml, ''.join(lines)) from error
        lines.append(
            f'Successfully destroyed GPU instance ID {instance.number:>2} '
            'from GPU  0\n'
        )
    return ''.join(lines)


def _instances(memory: nvidia.GpuInstances, as_root: bool) -> str:
    _refuse_none(memory)
    if not as_root:
        raise nvidia_modes.Failed(
            _NO_PERMISSION,
            'Failed to display GPU instances: Insufficient Permissions\n'
            'No GPU instances found: Insufficient Permissions\n',
        )
    rule = '+' + '-' * 57 + '+\n'
    lines = [
        rule,
        '| GPU instances:                                          |\n',
        '| GPU   Name               Profile  Instance   Placement  |\n',
        '|                            ID       ID       Start:Size |\n',
        '|' + '=' * 57 + '|\n',
    ]
    for instance in memory.instances:
        row = (
            f'|   0  MIG {instance.name:<16} {instance.profile:>4} '
            f'{instance.number:>8} {instance.start:>10}:{instance.size}'
        )
        lines += [f'{row:<58}|\n', rule]
    return ''.join(lines)


def _profiles(running: nvidia_card.Running, as_root: bool) -> str:
    if not as_root:
        raise nvidia_modes.Failed(
            _NO_PERMISSION,
            'Unable to retrieve GPU instance profiles: '
            'Insufficient Permissions\n',
        )
    rule = '+' + '-' * 79 + '+\n'
    lines = [
        rule,
        f'|{" GPU instance profiles:":<79}|\n',
        '| GPU   Name               ID    Instances   Memory     P2P    SM'
        '    DEC   ENC  |\n',
        '|                                Free/Total   GiB              CE'
        '    JPEG  OFA  |\n',
        '|' + '=' * 79 + '|\n',
    ]
    for profile in running.card.profiles:
        lines += (*_row(running, profile), rule)
    return ''.join(lines)


def _row(
    running: nvidia_card.Running, profile: gpu_instances.GiProfile
) -> tuple[str, str]:
    left, most = running.room(profile)
    return (
        f'|   0  MIG {profile.name:<14}{profile.number:>4}'
        f'     {left}/{most}{profile.memory:>13}      No'
        f'     {profile.sm:<3}{profile.dec:>5}{profile.enc:>6}   |\n',
        f'|{profile.ce:>64}{profile.jpeg:>6}{profile.ofa:>6}   |\n',
    )


def _refuse_none(memory: nvidia.GpuInstances) -> None:
    if not memory.instances:
        raise _not_found('No GPU instances found: Not Found\n')


def _not_found(text: str) -> nvidia_modes.Failed:
    return nvidia_modes.Failed(_NOT_FOUND, text)
