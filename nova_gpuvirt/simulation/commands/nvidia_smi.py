"""What ``nvidia-smi`` prints on a simulated host.

The keys and the tables are those that users of such hosts have published;
what nobody asks for is left out.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.simulation import sxm
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.drivers import vendor_vfio


def run(
    drivers: Callable[[str], pf_driver.Running | None], argv: Sequence[str]
) -> str:
    """Answer one call.

    :param argv: what is asked, with ``-i`` and a card's address at its end
    :raises subprocess.CalledProcessError: for a card that it does not know
    """
    *question, _, address = argv
    running = drivers(address)
    if isinstance(running, sxm.Running) and question == ['-q']:
        return running.query()
    if not isinstance(running, vendor_vfio.Running):
        raise subprocess.CalledProcessError(6, ('nvidia-smi', *argv))
    answer = _ANSWERS.get(tuple(question))
    if answer is None:
        raise subprocess.CalledProcessError(2, ('nvidia-smi', *argv))
    return answer(running)


def _query(running: vendor_vfio.Running) -> str:
    mixed = isinstance(running.card.memory, nvidia.MixedSizes)
    mig = isinstance(running.card.memory, nvidia.GpuInstances)
    can = 'Supported' if running.card.can_mix else 'Not Supported'
    mode = 'Enabled' if mixed else 'Disabled'
    return (
        f'GPU {running.pf.address}\n'
        f'    MIG Mode\n'
        f'        Current                           : '
        f'{"Enabled" if mig else "Disabled"}\n'
        f'    GPU Virtualization Mode\n'
        f'        Virtualization Mode               : Host VGPU\n'
        f'        Host VGPU Mode                    : SR-IOV\n'
        f'        vGPU Heterogeneous Mode           : {mode}\n'
        f'    vGPU Device Capability\n'
        f'        Fractional Multi-vGPU             : Supported\n'
        f'        Heterogeneous Time-Slice Profiles : Supported\n'
        f'        Heterogeneous Time-Slice Sizes    : {can}\n'
    )


def _types(running: vendor_vfio.Running) -> str:
    blocks = [f'GPU {running.pf.address}\n']
    for kind in running.card.vgpus:
        mig = kind.gi_profile is not None
        profile = kind.gi_profile if mig else 'N/A'
        blocks.append(
            f'    vGPU Type ID                      : {kind.number:#x}\n'
            f'        Name                          : {kind.name}\n'
            f'        GPU Instance Profile ID       : {profile}\n'
            f'        Max Instances                 : '
            f'{_max_instances(running, kind)}\n'
            f'        Max Instances Per VM          : 1\n'
            f'        Max Instances Per GI          : '
            f'{kind.per_gi if mig else "N/A"}\n'
            f'        FB Memory                     : '
            f'{kind.framebuffer} MiB\n'
        )
    return ''.join(blocks)


def _max_instances(running: vendor_vfio.Running, kind: nvidia.VgpuType) -> int:
    """Print what an empty card holds: in MIG mode, what its GIs hold."""
    memory = running.card.memory
    if isinstance(memory, nvidia.GpuInstances) and kind.gi_profile is not None:
        profiles = [i.profile for i in memory.instances]
        return profiles.count(kind.gi_profile) * kind.per_gi
    return kind.max_instance


def _instances(running: vendor_vfio.Running) -> str:
    memory = running.card.memory
    if not isinstance(memory, nvidia.GpuInstances) or not memory.instances:
        raise subprocess.CalledProcessError(
            6, ('nvidia-smi', 'mig', '-lgi'), 'No GPU instances found'
        )
    rule = '+' + '-' * 55 + '+\n'
    lines = [
        rule,
        '| GPU instances:                                        |\n',
        '| GPU   Name             Profile  Instance   Placement  |\n',
        '|                          ID       ID       Start:Size |\n',
        '|' + '=' * 55 + '|\n',
    ]
    for number, instance in enumerate(memory.instances):
        row = (
            f'|   0  MIG {instance.name:<14} {instance.profile:>4} '
            f'{number:>8} {instance.start:>10}:{instance.size}'
        )
        lines += [f'{row:<56}|\n', rule]
    return ''.join(lines)


def _capability(running: vendor_vfio.Running) -> str:
    return f'{running.card.compute_capability}\n'


_ANSWERS: dict[tuple[str, ...], Callable[[vendor_vfio.Running], str]] = {
    ('-q',): _query,
    ('vgpu', '-s', '-v'): _types,
    ('mig', '-lgi'): _instances,
    ('--query-gpu=compute_cap', '--format=csv,noheader'): _capability,
}
