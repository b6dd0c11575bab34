"""NVIDIA's lock of a card that is about to be taken from its driver.

The driver grants it while no process has the card open, and then lets none
open it; unbinding waits without end else. It goes with the driver, or with a
0. Sources: nv-procfs.c and RmUnbindLock of osapi.c in NVIDIA's open kernel
modules.
"""

from __future__ import annotations

import pathlib

from nova_gpuvirt import model
from nova_gpuvirt.host import files


def exists(root: files.Files, address: model.PciAddress) -> bool:
    """Tell whether a card has such a lock: NVIDIA's driver has it."""
    return root.exists(_path(address))


def hold(root: pathlib.Path, address: model.PciAddress, wanted: bool) -> bool:
    """Ask for a card's lock, or give it back.

    :returns: whether it is held now
    :raises OSError: when there is none, or it can't be asked
    """
    # What is written counts when the file is closed.
    files.write(root, _path(address), f'{int(wanted)}\n')
    return is_held(files.OnDisk(root), address)


def is_held(root: files.Files, address: model.PciAddress) -> bool:
    """Tell whether a card's lock is held.

    :raises OSError: when there is none
    """
    return root.text(_path(address)).strip() == '1'


def _path(address: model.PciAddress) -> str:
    return f'proc/driver/nvidia/gpus/{address}/unbindLock'
