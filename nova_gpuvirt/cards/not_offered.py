"""Why a card is not offered: not at all, or not as a whole."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.host import vfio

# A server's management controller shows the console of the machine itself.
_BMC_VENDORS = {0x1A03: 'ASPEED', 0x102B: 'Matrox'}


def at_all(sysfs: sysfs_.Sysfs, function: model.PciFunction) -> str | None:
    """Tell why guests can have nothing of a card, None where they can."""
    if function.vendor_id in _BMC_VENDORS:
        return (
            'it is the display chip of a management controller '
            f'({_BMC_VENDORS[function.vendor_id]})'
        )
    if sysfs.is_off_the_bus(function.address):
        return (
            'it answers with nothing but ones: it has fallen off the bus; '
            'look for it in the kernel log, and reset or replace it'
        )
    return None


def whole(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
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
