"""Why a card can't be given to a guest as a whole."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import vfio


def why_not(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
    """Tell why a card can't be given whole, None where it can."""
    function = gpu.function
    if function is None:
        return 'it is no PCI card'
    if function.boot_vga and not _is_named(gpu, machine.boot_vga):
        return "it is the firmware's boot VGA"
    if function.driver == 'gim':
        return (
            "it is a PF of AMD's gim, whose configuration space is corrupt "
            'after a reset through VFIO'
        )
    if function.virtfns:
        return f'{len(function.virtfns)} virtual functions of it are enabled'
    return vfio.why_not(machine, [f.address for f in gpu.functions])


def _is_named(gpu: model.Gpu, globs: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(str(gpu.address), glob.lower()) for glob in globs
    )
