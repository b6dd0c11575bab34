"""How ``nvidia-smi`` of a simulated host changes the modes of a card.

The lines of ``-mig`` are those of NVIDIA's MIG user guide and of users, that
of ``vgpu -shm`` is that of its vGPU guide (2.11.1). That a card without MIG
mode is a warning, after which the command ends well, is a guess, and so are
the words of ``vgpu -shm`` for what it refuses; its number 19 a user has seen.
"""

from __future__ import annotations

from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card

_BUSY = (
    ' is currently being used by one or more other processes (e.g. CUDA '
    'application or a monitoring application such as another instance of '
    'nvidia-smi). Please first kill all processes using the device and retry '
    'the command or reboot the system to make MIG mode effective.'
)


class Failed(Exception):
    """The command fails.

    :ivar code: what it ends with
    :ivar text: what it prints
    """

    def __init__(self, nvml: nvidia_card.Nvml, text: str) -> None:
        super().__init__(text)
        self.code = nvml.value[0]
        self.text = text


def set_mig(running: nvidia_card.Running, digit: str, as_root: bool) -> str:
    """Do what ``nvidia-smi -mig`` does.

    :raises Failed: when it fails
    """
    wanted = digit == '1'
    verb = 'enable' if wanted else 'disable'
    card = nvidia.long_address(running.pf.address)
    if not as_root:
        raise _mig_failed(verb, card, nvidia_card.Nvml.NO_PERMISSION)
    try:
        is_done = running.set_mig(wanted)
    except nvidia_card.Refused as error:
        if error.nvml is not nvidia_card.Nvml.NOT_SUPPORTED:
            raise _mig_failed(verb, card, error.nvml) from error
        return (
            f'Unable to {verb} MIG Mode for GPU {card}: {error}\n'
            'Treating as warning and moving on.\n'
            'All done.\n'
        )
    if is_done:
        return f'{verb.capitalize()}d MIG Mode for GPU {card}\nAll done.\n'
    return (
        f'Warning: MIG mode is in pending {verb} state for GPU {card}:'
        f'{nvidia_card.Nvml.IN_USE.value[1]}\n'
        f'{card}{_BUSY}\n'
        'All done.\n'
    )


def set_mixed(
    running: nvidia_card.Running,
    number: int | None,
    digit: str,
    as_root: bool,
) -> str:
    """Do what ``nvidia-smi vgpu -shm`` does.

    :param number: of a GPU instance
    :raises Failed: when it fails
    """
    wanted = digit == '1'
    card = nvidia.long_address(running.pf.address)
    try:
        if not as_root:
            raise nvidia_card.Refused(nvidia_card.Nvml.NO_PERMISSION)
        running.set_mixed(number, wanted)
    except nvidia_card.Refused as error:
        raise Failed(
            error.nvml,
            f'Failed to set vGPU heterogeneous mode for GPU {card}: {error}\n',
        ) from error
    done = 'Enabled' if wanted else 'Disabled'
    return f'{done} vGPU heterogeneous mode for GPU {card}\n'


def _mig_failed(verb: str, card: str, nvml: nvidia_card.Nvml) -> Failed:
    return Failed(
        nvml,
        f'Unable to {verb} MIG Mode for GPU {card}: {nvml.value[1]}\n'
        'Terminating early due to previous errors.\n',
    )
