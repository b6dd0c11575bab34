"""Which operation of the kernel a write to a file is, and how it is parsed."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable

from nova_gpuvirt.simulation.files import kstrto
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import kernel
from nova_gpuvirt.simulation.kernel import matching

_PAGE = 4096
_FUNCTION = r'sys/devices/pci.*/([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])'
_DRIVER = r'sys/bus/pci/drivers/([^/]+)'


def store(host: kernel.Kernel, path: str, text: str) -> None:
    """Do what a write to a file does.

    :param path: relative to the root, without symlinks
    :raises OSError: what the kernel would say
    :raises NotImplementedError: when the file's effect is not simulated
    """
    for pattern, operation in _STORES:
        match = re.fullmatch(pattern, path)
        if match:
            operation(host, match.groups(), text)
            return
    host.pf_drivers.store(path, text)


_Groups = tuple[str, ...]
_Operation = Callable[[kernel.Kernel, _Groups, str], None]


def _bind(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.bind(groups[0], _line(text))


def _unbind(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.unbind(groups[0], _line(text))


def _probe(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.probe(_line(text))


def _new_id(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.add_id(groups[0], _pci_id(text))


def _remove_id(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.remove_id(groups[0], _pci_id(text))


def _override(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    if len(text) >= _PAGE - 1:
        raise refusal(errno.EINVAL, 'longer than a page')
    host.set_override(groups[0], text.split('\n')[0])


def _numvfs(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.set_numvfs(groups[0], _number(text, 16))


def _reset(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    if _number(text, 64) != 1:
        raise refusal(errno.EINVAL, 'nothing but 1 resets')
    host.resetting.reset(groups[0])


def _autoprobe(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.set_autoprobe(groups[0], kstrto.truth(text))


def _create(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    parent = host.devices[groups[0]].function
    host.mdevs.create(parent, groups[1], text)


def _unbind_lock(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.nvidia.write_lock(groups[0], text)


def _remove(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    if _number(text, 64):
        host.mdevs.remove(groups[1])


def _move(host: kernel.Kernel, groups: _Groups, text: str) -> None:
    host.mdevs.move(groups[1], groups[2], _number(text, 32))


_STORES: tuple[tuple[str, _Operation], ...] = (
    (rf'{_DRIVER}/bind', _bind),
    (rf'{_DRIVER}/unbind', _unbind),
    (rf'{_DRIVER}/new_id', _new_id),
    (rf'{_DRIVER}/remove_id', _remove_id),
    (r'sys/bus/pci/drivers_probe', _probe),
    (rf'{_FUNCTION}/driver_override', _override),
    (rf'{_FUNCTION}/reset', _reset),
    (rf'{_FUNCTION}/sriov_numvfs', _numvfs),
    (rf'{_FUNCTION}/sriov_drivers_autoprobe', _autoprobe),
    (rf'{_FUNCTION}/mdev_supported_types/([^/]+)/create', _create),
    (rf'{_FUNCTION}/([0-9a-f-]{{36}})/remove', _remove),
    (
        rf'{_FUNCTION}/([0-9a-f-]{{36}})/nvidia/'
        r'(gpu_instance_id|placement_id)',
        _move,
    ),
    (r'proc/driver/nvidia/gpus/([^/]+)/unbindLock', _unbind_lock),
)


def _line(text: str) -> str:
    """Take a name, with or without a newline (the kernel's sysfs_streq)."""
    return text.removesuffix('\n')


def _number(text: str, bits: int) -> int:
    """Parse a number, as those that say EINVAL to too large a one too."""
    try:
        return kstrto.number(text, bits)
    except OSError as error:
        raise refusal(errno.EINVAL, str(error)) from error


def _pci_id(text: str) -> matching.PciId:
    """Parse what ``new_id`` takes: two to seven hexadecimal numbers.

    Class, mask and driver data are not looked at.

    :raises OSError: EINVAL for fewer than two
    """
    fields = re.match(r'\s*(?:(?:0[xX])?[0-9a-fA-F]+(?:\s+|$))*', text)
    numbers = tuple(int(n, 16) for n in fields[0].split()) if fields else ()
    if len(numbers) < 2:
        raise refusal(errno.EINVAL, f'{text!r} is not "VVVV DDDD"')
    return numbers[:4]
