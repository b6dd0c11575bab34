"""What only root may read, write, see and ask of a PCI function.

`privileged` runs these for the host itself, behind privsep.
"""

from __future__ import annotations

import errno
import pathlib
import re
import uuid
from collections.abc import Sequence
from typing import NoReturn
from typing import Protocol

from nova_gpuvirt import model
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.host import processes

CONFIG_SPACE = 4096
"""The bytes of a configuration space of PCI Express."""

_DEVICES = 'sys/bus/pci/devices'
_MDEVS = 'sys/bus/mdev/devices'
_DEBUGFS = 'sys/kernel/debug/dri'
# By name, where the file is below the function's directory: what AMD's gim
# shows of a PF (gim_shim/sysfs/gim_monitor.c). Not in this list is reset_gpu,
# which resets the card when it is read.
_ATTRIBUTES = frozenset({'memory_partition_mode', 'spatial_partition_mode'})
_MOST = 0xFFFFFFFF  # what NVIDIA's driver takes: 32 bits
# Of a PF's directory in debugfs: the quotas of its VFs, as Intel's xe has
# shown them before and since Linux 6.19.
_QUOTA = re.compile(
    r'gt0/vf[0-9]{1,3}/lmem_quota|sriov/vf[0-9]{1,3}/tile0/vram_quota'
)


class Rootly(Protocol):
    """Somebody who may do it: `privileged`, or a simulated host."""

    def read(self, address: str, name: str) -> str:
        """Read a file of a function that only root may read."""

    def set_vgpu_type(self, address: str, number: int) -> None:
        """Make a vGPU of a type on a VF, or take it away with 0."""

    def set_vgpu_place(
        self, device: str, gpu_instance: int | None, placement: int
    ) -> None:
        """Move a vGPU within the memory of its card."""

    def openers(self, address: str) -> Sequence[int]:
        """List the processes that have a function open through VFIO."""

    def gpu_instances(self, address: str) -> str:
        """List the GPU instances of a card, as NVIDIA's command does."""

    def card_openers(
        self, addresses: Sequence[str], caller: int
    ) -> Sequence[card_openers.Found]:
        """List the processes that have cards open, as `card_openers` does."""

    def kernel_log(self, start: int | None) -> kmsg.Found:
        """Read what the kernel's log tells of GPUs, from there on."""

    def hold_unbind_lock(self, address: str, wanted: bool) -> bool:
        """Ask for NVIDIA's lock of a card, or give it back."""

    def gpu_instance_profiles(self, address: str) -> str:
        """List what GPU instances a card can have, as that command does."""

    def set_numvfs(self, address: str, count: int) -> None:
        """Write how many VFs a PF shall have."""

    def set_nvidia_vfs(self, address: str, wanted: bool) -> None:
        """Make all VFs of a card of NVIDIA's, or remove them."""

    def set_mig(self, address: str, wanted: bool) -> None:
        """Turn MIG mode of a card on or off."""

    def make_gpu_instances(
        self, address: str, profiles: Sequence[str]
    ) -> None:
        """Make GPU instances of these profiles."""

    def remove_gpu_instances(self, address: str) -> None:
        """Remove all GPU instances of a card."""

    def set_mixed_sizes(
        self, address: str, gpu_instance: int | None, wanted: bool
    ) -> None:
        """Let vGPUs of several sizes share a card or a GPU instance."""

    def set_vf_memory(self, address: str, vf: int, size: int) -> None:
        """Write how much of an Intel card's memory a VF shall have."""

    def set_memory_mode(self, address: str, mode: str) -> None:
        """Write in how many parts a card of AMD's divides its memory."""

    def set_partition(self, address: str, mode: str) -> None:
        """Write in how many parts a card of AMD's divides its engines."""

    def config_space(self, address: str) -> bytes:
        """Read a function's configuration space, as far as root sees it."""

    def reset_function(self, address: str) -> None:
        """Reset a function by itself."""

    def reset_bus(self, addresses: Sequence[str]) -> None:
        """Reset functions with VFIO by the bus that they are on."""


class OnlyLookedAt:
    """What a `Rootly` refuses who may read a host, and change nothing.

    Nor does it read the kernel's log, which goes on while a host runs.
    """

    def kernel_log(self, start: int | None) -> kmsg.Found:
        """Refuse to read the kernel's log."""
        _refuse_to_change('the kernel log')

    def set_vgpu_type(self, address: str, number: int) -> None:
        """Refuse to make a vGPU, or to take it away."""
        _refuse_to_change(address)

    def set_vgpu_place(
        self, device: str, gpu_instance: int | None, placement: int
    ) -> None:
        """Refuse to move a vGPU."""
        _refuse_to_change(device)

    def hold_unbind_lock(self, address: str, wanted: bool) -> bool:
        """Refuse to ask for a lock."""
        _refuse_to_change(address)

    def set_numvfs(self, address: str, count: int) -> None:
        """Refuse to make VFs, or to remove them."""
        _refuse_to_change(address)

    def set_nvidia_vfs(self, address: str, wanted: bool) -> None:
        """Refuse to make VFs, or to remove them."""
        _refuse_to_change(address)

    def set_mig(self, address: str, wanted: bool) -> None:
        """Refuse to turn MIG mode on or off."""
        _refuse_to_change(address)

    def make_gpu_instances(
        self, address: str, profiles: Sequence[str]
    ) -> None:
        """Refuse to make GPU instances."""
        _refuse_to_change(address)

    def remove_gpu_instances(self, address: str) -> None:
        """Refuse to remove GPU instances."""
        _refuse_to_change(address)

    def set_mixed_sizes(
        self, address: str, gpu_instance: int | None, wanted: bool
    ) -> None:
        """Refuse to let sizes mix, or not."""
        _refuse_to_change(address)

    def set_vf_memory(self, address: str, vf: int, size: int) -> None:
        """Refuse to write a quota."""
        _refuse_to_change(address)

    def set_memory_mode(self, address: str, mode: str) -> None:
        """Refuse to divide memory in another way."""
        _refuse_to_change(address)

    def set_partition(self, address: str, mode: str) -> None:
        """Refuse to divide engines in another way."""
        _refuse_to_change(address)

    def config_space(self, address: str) -> bytes:
        """Refuse to read more than others see: it changes all the time."""
        _refuse_to_change(address)

    def reset_function(self, address: str) -> None:
        """Refuse to reset a function."""
        _refuse_to_change(address)

    def reset_bus(self, addresses: Sequence[str]) -> None:
        """Refuse to reset a bus."""
        _refuse_to_change(', '.join(addresses))


def _refuse_to_change(device: str) -> NoReturn:
    raise PermissionError(errno.EROFS, f'{device} is only looked at')


def may_be_locked(name: str) -> bool:
    """Tell whether a file may be kept even from root: those of debugfs.

    A kernel that is locked down (Secure Boot) does so.
    """
    return name not in _ATTRIBUTES


def read(root: files.Files, address: model.PciAddress, name: str) -> str:
    """Read a file of the list above, without its last newline.

    :raises OSError: as the kernel answers
    :raises ValueError: for any other file
    """
    return root.text(place(str(address), name), errors='replace')


def place(address: str, name: str) -> str:
    """Tell where a file of the list above is, relative to the root.

    :raises ValueError: for any other file
    """
    if name in _ATTRIBUTES:
        return f'{_DEVICES}/{address}/{name}'
    if _QUOTA.fullmatch(name):
        return f'{_DEBUGFS}/{address}/{name}'
    raise ValueError(f'{name!r} is no file that root reads for others')


def set_vgpu_type(
    root: pathlib.Path, address: model.PciAddress, number: int
) -> None:
    """Write ``nvidia/current_vgpu_type``, in one write.

    :raises OSError: as the driver answers
    :raises ValueError: for what is no number of a type
    """
    _check_number(number)
    place = f'{_DEVICES}/{address}/nvidia/current_vgpu_type'
    files.write(root, place, f'{number}\n')


def set_vgpu_place(
    root: pathlib.Path,
    device: model.PciAddress | uuid.UUID,
    gpu_instance: int | None,
    placement: int,
) -> None:
    """Write ``nvidia/gpu_instance_id``, if given, then ``placement_id``.

    Another GPU instance means its first place, so it is written before.

    :param device: a VF that is a vGPU, or an mdev
    :raises OSError: as the driver answers
    :raises ValueError: for what is no number
    """
    for number in (gpu_instance or 0, placement):
        _check_number(number)
    bus = _MDEVS if isinstance(device, uuid.UUID) else _DEVICES
    folder = f'{bus}/{device}/nvidia'
    if gpu_instance is not None:
        files.write(root, f'{folder}/gpu_instance_id', f'{gpu_instance}\n')
    files.write(root, f'{folder}/placement_id', f'{placement}\n')


def config_space(root: files.Files, address: model.PciAddress) -> bytes:
    """Read ``config``: 4096 bytes, 256 of a function without PCI Express.

    Who has no CAP_SYS_ADMIN sees 64 (``pci_read_config`` of the kernel's
    drivers/pci/pci-sysfs.c).

    :raises OSError: as the kernel answers
    """
    return root.read(f'{_DEVICES}/{address}/config', CONFIG_SPACE)


def reset_function(root: pathlib.Path, address: model.PciAddress) -> None:
    """Write ``reset``: the kernel's pci_reset_function, by itself alone.

    The kernel tries the ways that ``reset_method`` lists, in that order, for
    as long as each answers ENOTTY, that it is none for this function or has
    not brought it back (``__pci_reset_function_locked`` of
    drivers/pci/pci.c). It saves the configuration space before and restores
    it after. It asks nobody whether a guest has the function.

    :raises OSError: ENOENT where the kernel knows no way; ENOTTY where none
        has worked, such as that of the bus while there are others on it
    """
    files.write(root, f'{_DEVICES}/{address}/reset', '1')


def _check_number(number: object) -> None:
    """Refuse what is no number that a driver's file takes.

    :raises ValueError: for anything else
    """
    if type(number) is not int or not 0 <= number <= _MOST:
        raise ValueError(f'{number!r} is no number of a type or a place')


def openers(root: files.Files, address: model.PciAddress) -> Sequence[int]:
    """List the processes that have a function open through VFIO.

    It has a node of its own, ``/dev/vfio/devices/vfioN``, and that of its
    IOMMU group (kernel Documentation/ABI/testing/sysfs-devices-vfio-dev).

    :raises OSError: when it has neither, or not all processes are seen, so
        that nobody is no answer
    """
    folder = f'{_DEVICES}/{address}'
    nodes = {  # kernels before 6.1 have no such node
        f'/dev/vfio/devices/{name}'
        for name in root.names_if_there(f'{folder}/vfio-dev')
    }
    group = root.linked_name(f'{folder}/iommu_group')
    if group is not None:
        nodes.add(f'/dev/vfio/{group}')
    if not nodes:
        raise FileNotFoundError(
            errno.ENOENT, f'{address} has no node of VFIO to look for'
        )
    return processes.openers(root, nodes)


def gpu_instances(run: commands.Run, address: model.PciAddress) -> str:
    """Ask NVIDIA's command for the GPU instances of a card.

    NVML tells them to a privileged user alone.

    :raises CommandFailed: when it refuses, and when there are none
    """
    return run(('nvidia-smi', 'mig', '-lgi', '-i', str(address)))


def gpu_instance_profiles(run: commands.Run, address: model.PciAddress) -> str:
    """Ask NVIDIA's command what GPU instances a card can have.

    NVML tells it to a privileged user alone.

    :raises CommandFailed: when it refuses, and without MIG mode
    """
    return run(('nvidia-smi', 'mig', '-lgip', '-i', str(address)))
