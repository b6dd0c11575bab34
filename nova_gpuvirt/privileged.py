"""The few things that need root, behind one privsep daemon.

Each takes an address, numbers and words of a fixed set, and checks them: never
a path or a command line. None is waited for without end: the daemon may hang
in a driver. What changes a card is waited for longer than what reads one, and
is done later all the same when nobody waits any more.
"""

from __future__ import annotations

import errno
import functools
import pathlib
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from typing import ParamSpec
from typing import TypeVar

from oslo_privsep import capabilities
from oslo_privsep import comm
from oslo_privsep import daemon
from oslo_privsep import priv_context

from nova_gpuvirt import model
from nova_gpuvirt.host import card_openers as card_openers_
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import function_resets
from nova_gpuvirt.host import hot_reset
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import unbind_lock

context = priv_context.PrivContext(
    'nova_gpuvirt',
    cfg_section='gpuvirt_privileged',
    pypath=f'{__name__}.context',
    # To read and write files of root's in sysfs and debugfs, and to see
    # which files another user's process has open; NVIDIA's driver tells of
    # GPU instances to CAP_SYS_ADMIN. To read the kernel's log where
    # kernel.dmesg_restrict is set. To read a configuration space beyond its
    # first 64 bytes (CAP_SYS_ADMIN), and to open the nodes of VFIO
    # (CAP_DAC_OVERRIDE; `hot_reset` tells why that is all it needs).
    capabilities=[
        capabilities.CAP_DAC_OVERRIDE,
        capabilities.CAP_DAC_READ_SEARCH,
        capabilities.CAP_SYS_ADMIN,
        capabilities.CAP_SYS_PTRACE,
        capabilities.CAP_SYSLOG,
    ],
)

_ROOT = pathlib.Path('/')
_FILES = files.OnDisk(_ROOT)
# The daemon's.
_run = commands.Commands(commands.start_as_root)
# The daemon's command has ended before: it may wait for another child, and
# for its own.
_SECONDS = 2 * commands.SECONDS + 5
# A change waits for the commands that it runs, two at most, and before each
# for another child of that command.
_CHANGE_SECONDS = 4 * root_changes.SECONDS + 5
_changes = root_changes.RootChanges(
    _FILES,
    functools.partial(files.write, _ROOT),
    commands.Commands(commands.start_as_root, root_changes.SECONDS),
)
_resets = function_resets.FunctionResets(
    functools.partial(rootonly.config_space, _FILES),
    functools.partial(rootonly.reset_function, _ROOT),
    functools.partial(hot_reset.reset, _ROOT),
)
# The daemon waits no longer itself, so that its few threads are free again.
_RESET_SECONDS = function_resets.SECONDS + 10
_READ_SECONDS = function_resets.READ_SECONDS + 5
_P = ParamSpec('_P')
_T = TypeVar('_T')


def _entrypoint_within(
    seconds: float,
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Run a call in the daemon, and fail as the kernel does where it can't.

    The daemon finds it by its name, and knows it by an attribute that
    `functools.wraps` copies.

    :param seconds: how long the daemon may take
    """

    def wrap(call: Callable[_P, _T]) -> Callable[_P, _T]:
        ask = context.entrypoint_with_timeout(seconds)(call)

        @functools.wraps(ask)
        def in_time(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                answer: _T = ask(*args, **kwargs)
            except comm.PrivsepTimeout as error:
                raise TimeoutError(
                    errno.ETIMEDOUT, 'the privsep daemon does not answer'
                ) from error
            except daemon.FailedToDropPrivileges as error:  # did not start
                raise PermissionError(
                    errno.EACCES,
                    f'the privsep daemon can not be asked: {error}',
                ) from error
            return answer

        return in_time

    return wrap


_entrypoint = _entrypoint_within(_SECONDS)
_change = _entrypoint_within(_CHANGE_SECONDS)
_reset = _entrypoint_within(_RESET_SECONDS)


@_entrypoint
def read(address: str, name: str) -> str:
    """Read a file of a function that only root may read.

    :raises OSError: as the kernel answers, or ETIMEDOUT
    """
    return rootonly.read(_FILES, model.PciAddress.parse(address), name)


@_entrypoint
def set_vgpu_type(address: str, number: int) -> None:
    """Make a vGPU of a type on a VF of NVIDIA's, or take it away with 0.

    :raises OSError: as the driver answers, or ETIMEDOUT: it may be done later
    """
    rootonly.set_vgpu_type(_ROOT, model.PciAddress.parse(address), number)


@_entrypoint
def set_vgpu_place(
    device: str, gpu_instance: int | None, placement: int
) -> None:
    """Move a vGPU of NVIDIA's within the memory of its card.

    :param device: the address of a VF, or the UUID of an mdev
    :raises OSError: as the driver answers, or ETIMEDOUT: it may be done later
    """
    rootonly.set_vgpu_place(
        _ROOT,
        model.PciAddress.parse(device) if '.' in device else uuid.UUID(device),
        gpu_instance,
        placement,
    )


@_entrypoint
def openers(address: str) -> Sequence[int]:
    """List the processes that have a function open through VFIO.

    :raises OSError: when they can't be seen, or ETIMEDOUT
    """
    return rootonly.openers(_FILES, model.PciAddress.parse(address))


@_entrypoint
def card_openers(
    addresses: Sequence[str], caller: int
) -> Sequence[card_openers_.Found]:
    """List the processes that have cards open through their own driver.

    :raises OSError: when that can't be seen, or ETIMEDOUT
    """
    cards = [model.PciAddress.parse(address) for address in addresses]
    return card_openers_.find(_FILES, cards, int(caller))


@_entrypoint
def kernel_log(start: int | None) -> kmsg.Found:
    """Read what the kernel's log tells of GPUs, from a sequence number on.

    :param start: None for the end of the log
    :raises OSError: when it can't be read, or ETIMEDOUT
    """
    return kmsg.read(kmsg.of_this_host, start)


@_entrypoint
def hold_unbind_lock(address: str, wanted: bool) -> bool:
    """Ask for NVIDIA's lock of a card, or give it back.

    :raises OSError: when there is none, it can't be asked, or ETIMEDOUT
    """
    card = model.PciAddress.parse(address)
    return unbind_lock.hold(_ROOT, card, bool(wanted))


def gpu_instances(address: str) -> str:
    """List the GPU instances of a card of NVIDIA's.

    :raises CommandFailed: when its command refuses, when there are none, and
        when root can't be asked
    """
    return _said(_gpu_instances, address)


@_entrypoint
def _gpu_instances(address: str) -> str:
    return rootonly.gpu_instances(_run, model.PciAddress.parse(address))


def gpu_instance_profiles(address: str) -> str:
    """List what GPU instances a card of NVIDIA's can have.

    :raises CommandFailed: when its command refuses, without MIG mode, and
        when root can't be asked
    """
    return _said(_gpu_instance_profiles, address)


@_entrypoint
def _gpu_instance_profiles(address: str) -> str:
    card = model.PciAddress.parse(address)
    return rootonly.gpu_instance_profiles(_run, card)


def _said(ask: Callable[[str], str], address: str) -> str:
    """Ask for the output of a command: who can't is like one that fails."""
    try:
        return ask(address)
    except TimeoutError as error:
        raise commands.CommandHangs(str(error)) from error
    except OSError as error:
        raise commands.CommandFailed(str(error)) from error


@_change
def set_numvfs(address: str, count: int) -> None:
    """Write how many VFs a PF shall have.

    :raises OSError: as the kernel answers, or ETIMEDOUT
    """
    _changes.set_numvfs(address, count)


@_change
def set_nvidia_vfs(address: str, wanted: bool) -> None:
    """Make all VFs of a card of NVIDIA's, or remove them.

    :raises CommandFailed: when its command refuses
    :raises OSError: ETIMEDOUT
    """
    _changes.set_nvidia_vfs(address, wanted)


@_change
def set_mig(address: str, wanted: bool) -> None:
    """Turn MIG mode of a card of NVIDIA's on or off.

    :raises CommandFailed: when its command refuses
    :raises OSError: ETIMEDOUT
    """
    _changes.set_mig(address, wanted)


@_change
def make_gpu_instances(address: str, profiles: Sequence[str]) -> None:
    """Make GPU instances of these profiles.

    :raises CommandFailed: when NVIDIA's command refuses
    :raises OSError: ETIMEDOUT
    """
    _changes.make_gpu_instances(address, profiles)


@_change
def remove_gpu_instances(address: str) -> None:
    """Remove all GPU instances of a card.

    :raises CommandFailed: when NVIDIA's command refuses
    :raises OSError: ETIMEDOUT
    """
    _changes.remove_gpu_instances(address)


@_change
def set_mixed_sizes(
    address: str, gpu_instance: int | None, wanted: bool
) -> None:
    """Let vGPUs of several sizes share a card or a GPU instance, or not.

    :raises CommandFailed: when NVIDIA's command refuses
    :raises OSError: ETIMEDOUT
    """
    _changes.set_mixed_sizes(address, gpu_instance, wanted)


@_change
def set_vf_memory(address: str, vf: int, size: int) -> None:
    """Write how much of an Intel card's memory a VF shall have.

    :raises OSError: as the kernel answers, or ETIMEDOUT
    """
    _changes.set_vf_memory(address, vf, size)


@_change
def set_memory_mode(address: str, mode: str) -> None:
    """Write in how many parts a card of AMD's divides its memory.

    :raises OSError: as the kernel answers, or ETIMEDOUT
    """
    _changes.set_memory_mode(address, mode)


@_change
def set_partition(address: str, mode: str) -> None:
    """Write in how many parts a card of AMD's divides its engines.

    :raises OSError: as the kernel answers, or ETIMEDOUT
    """
    _changes.set_partition(address, mode)


@_entrypoint_within(_READ_SECONDS)
def config_space(address: str) -> bytes:
    """Read a function's configuration space, as far as root sees it.

    :raises OSError: as the kernel answers; EBUSY while it is reset; ETIMEDOUT
    """
    return _resets.config_space(address)


@_reset
def reset_function(address: str) -> None:
    """Reset a function by itself.

    :raises OSError: as the kernel answers; EBUSY while the last reset of it
        has not returned; ETIMEDOUT: it may be done later
    """
    _resets.reset_function(address)


@_reset
def reset_bus(addresses: Sequence[str]) -> None:
    """Reset functions with VFIO by the bus that they are on, all of it.

    :raises OSError: as `reset_function` does, and EINVAL or EPERM where a
        function of another IOMMU group is on the bus, or one is not with VFIO
    """
    _resets.reset_bus(addresses)
