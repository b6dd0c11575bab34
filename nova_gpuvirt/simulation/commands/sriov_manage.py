"""``/usr/lib/nvidia/sriov-manage`` of a simulated host.

It takes the card from its driver, which the driver's lock must grant, makes
all VFs or removes them, and gives the card back. Its words are those that
users of such hosts show ("Cannot obtain unbindLock", "already has VFs
enabled"). Where a card has VFs, ``-e`` does nothing, as they tell.

Guesses: all other words, and the numbers that it ends with; that it removes no
VF that is a vGPU or is held. A user's script tells that it takes the vGPUs
away by itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import pf_driver

NAME = '/usr/lib/nvidia/sriov-manage'


def run(
    drivers: Callable[[str], pf_driver.Running | None],
    argv: Sequence[str],
    as_root: bool,
) -> str:
    """Answer one call.

    :param argv: ``-e`` or ``-d``, and a card's address
    :raises subprocess.CalledProcessError: when it fails
    """
    match argv:
        case [('-e' | '-d') as option, address]:
            running = drivers(address)
        case _:
            raise _failed(argv, 'Usage: sriov-manage <-e|-d> <ssss:bb:dd.f>')
    if not as_root:
        raise _failed(argv, 'Permission denied')
    if not isinstance(running, nvidia_card.Running) or not running.card.sr_iov:
        raise _failed(argv, f'{address} is no GPU with SR-IOV')
    has_vfs = bool(running.pf.vfs)
    if option == '-e' and has_vfs:
        return f'GPU at {address} already has VFs enabled.\n'
    if option == '-d' and not has_vfs:
        return f'GPU at {address} has no VFs enabled.\n'
    if running.vgpus() or any(vf in running.pf.held for vf in running.pf.vfs):
        raise _failed(argv, f'VFs of {address} are in use')
    if running.pf.is_open():
        raise _failed(argv, f'Cannot obtain unbindLock for {address}')
    running.set_vfs(option == '-e')
    done = 'Enabling' if option == '-e' else 'Disabling'
    return f'{done} VFs on {address}\n'


def _failed(argv: Sequence[str], text: str) -> subprocess.CalledProcessError:
    return subprocess.CalledProcessError(1, (NAME, *argv), f'{text}\n')
