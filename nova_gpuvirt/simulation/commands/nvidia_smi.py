"""What ``nvidia-smi`` prints on a simulated host.

The keys and the tables are those that users of such hosts have published;
what nobody asks for is left out.

That anybody may ask whether sizes mix in a GPU instance is a guess.
"""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.simulation import bridged
from nova_gpuvirt.simulation import sxm
from nova_gpuvirt.simulation.commands import nvidia_mig
from nova_gpuvirt.simulation.commands import nvidia_modes
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import pf_driver


def run(
    drivers: Callable[[str], pf_driver.Running | None],
    argv: Sequence[str],
    as_root: bool,
) -> str:
    """Answer one call.

    :param argv: what is asked, with ``-i`` and a card's address
    :raises subprocess.CalledProcessError: for a card that it does not know,
        for what it does not know of it, and when it refuses
    """
    at = argv.index('-i')
    address = argv[at + 1]
    question = [*argv[:at], *argv[at + 2 :]]
    running = drivers(address)
    if isinstance(running, sxm.Running) and question == ['-q']:
        return running.query()
    if isinstance(running, bridged.Running) and question == ['-q']:
        return f'GPU {running.pf.address}\n{_HEALTH}'
    if isinstance(running, bridged.Running) and question == ['nvlink', '-R']:
        return running.links(has_peer=drivers(running.peer) is not None)
    if not isinstance(running, nvidia_card.Running):
        raise subprocess.CalledProcessError(6, ('nvidia-smi', *argv))
    try:
        answer = _answer(running, question, as_root)
    except nvidia_modes.Failed as error:
        raise subprocess.CalledProcessError(
            error.code, ('nvidia-smi', *argv), error.text
        ) from error
    if answer is None:
        raise subprocess.CalledProcessError(2, ('nvidia-smi', *argv))
    return answer


def _answer(
    running: nvidia_card.Running, question: Sequence[str], as_root: bool
) -> str | None:
    match question:
        case ['vgpu', '-gi', number, '-ghm']:
            return _instance_mode(running, int(number))
        case ['vgpu', '-shm', ('0' | '1') as digit]:
            return nvidia_modes.set_mixed(running, None, digit, as_root)
        case ['vgpu', '-gi', number, '-shm', ('0' | '1') as digit]:
            return nvidia_modes.set_mixed(running, int(number), digit, as_root)
        case ['-mig', ('0' | '1') as digit]:
            return nvidia_modes.set_mig(running, digit, as_root)
        case ['mig', *words]:
            return nvidia_mig.run(running, words, as_root)
    answer = _ANSWERS.get(tuple(question))
    return answer(running) if answer else None


def _query(running: nvidia_card.Running) -> str:
    mixed = isinstance(running.card.memory, nvidia.MixedSizes)
    can = 'Supported' if running.card.mixed else 'Not Supported'
    mode = 'N/A' if running.has_mig else _word(mixed)
    way = 'SR-IOV' if running.card.sr_iov else 'Non SR-IOV'
    return (
        f'GPU {running.pf.address}\n'
        f'{_identity(running.pf.address)}'
        f'    MIG Mode\n'
        f'        Current                           : '
        f'{_mig_mode(running, running.has_mig)}\n'
        f'        Pending                           : '
        f'{_mig_mode(running, running.pending)}\n'
        f'    GPU Virtualization Mode\n'
        f'        Virtualization Mode               : Host VGPU\n'
        f'        Host VGPU Mode                    : {way}\n'
        f'        vGPU Heterogeneous Mode           : {mode}\n'
        f'    vGPU Device Capability\n'
        f'        Fractional Multi-vGPU             : Supported\n'
        f'        Heterogeneous Time-Slice Profiles : Supported\n'
        f'        Heterogeneous Time-Slice Sizes    : {can}\n'
        f'{_HEALTH}'
        f'    Processes                             : None\n'
    )


# What it says of a card's health, of one without NVLinks.
_HEALTH = """\
    GPU Recovery Action                   : None
    Remapped Rows
        Correctable Error                 : 0
        Uncorrectable Error               : 0
        Pending                           : No
        Remapping Failure Occurred        : No
    Fabric
        State                             : N/A
        Status                            : N/A
"""


def _word(is_so: bool) -> str:
    return 'Enabled' if is_so else 'Disabled'


def _mig_mode(running: nvidia_card.Running, is_so: bool) -> str:
    return _word(is_so) if running.card.profiles else 'N/A'


def _identity(address: str) -> str:
    """Print what tells a card from all others, made from its address.

    Keys and forms are those of ``nvidia-smi -q`` as users publish it.
    """
    digits = hashlib.sha256(address.encode()).hexdigest()
    return (
        f'    Serial Number                         : '
        f'1{int(digits[:9], 16):012d}\n'
        f'    GPU UUID                              : '
        f'GPU-{uuid.UUID(digits[:32])}\n'
    )


def _types(running: nvidia_card.Running) -> str:
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
            f'        Multi vGPU Exclusive          : False\n'
            f'        Max Instances Per VM          : {kind.per_vm}\n'
            f'        Max Instances Per GI          : '
            f'{kind.per_gi if mig else "N/A"}\n'
            f'        FB Memory                     : '
            f'{kind.framebuffer} MiB\n'
            f'{_places(running, kind)}'
        )
    return ''.join(blocks)


def _places(running: nvidia_card.Running, kind: nvidia.VgpuType) -> str:
    places = running.card.memory.places(kind)
    ids = ' '.join(map(str, places.ids)) if places else 'N/A'
    return (
        f'        Placement Size                : '
        f'{places.size if places else "N/A"}\n'
        f'        Supported Placement IDs       : {ids}\n'
    )


def _max_instances(running: nvidia_card.Running, kind: nvidia.VgpuType) -> int:
    """Print what an empty card holds: in MIG mode, what its GIs hold."""
    memory = running.card.memory
    if isinstance(memory, nvidia.GpuInstances) and kind.gi_profile is not None:
        profiles = [i.profile for i in memory.instances]
        return profiles.count(kind.gi_profile) * kind.per_gi
    return kind.max_instance


def _instance_mode(running: nvidia_card.Running, number: int) -> str:
    """Tell whether sizes mix in a GPU instance.

    The question is that of a user of an RTX PRO 6000, who looked for the word
    Enabled in the answer; all else in it is a guess.
    """
    memory = running.card.memory
    assert isinstance(memory, nvidia.GpuInstances)
    instance = memory.instance(number)
    mode = _word(bool(instance and instance.mixed))
    return f'vGPU Heterogeneous Mode               : {mode}\n'


def _capability(running: nvidia_card.Running) -> str:
    return f'{running.card.compute_capability}\n'


_ANSWERS: dict[tuple[str, ...], Callable[[nvidia_card.Running], str]] = {
    ('-q',): _query,
    ('vgpu', '-s', '-v'): _types,
    ('--query-gpu=compute_cap', '--format=csv,noheader'): _capability,
}
