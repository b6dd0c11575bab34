"""Why a card is not offered: not at all, or not as a whole."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.cards import companions
from nova_gpuvirt.cards import resets
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.host import vfio


def at_all(sysfs: sysfs_.Sysfs, function: model.PciFunction) -> str | None:
    """Tell why guests can have nothing of a card, None where they can."""
    if sysfs.is_off_the_bus(function.address):
        return (
            'it answers with nothing but ones: it has fallen off the bus; '
            'look for it in the kernel log, and reset or replace it'
        )
    return None


def whole(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
    """Tell why a card can't be given whole, None where it can."""
    return by_itself(machine, gpu) or vfio.why_not(
        machine, [f.address for f in gpu.functions]
    )


def by_itself(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
    """Tell why a card can't be given whole for what it is itself.

    What the host does with its IOMMU group is left out.
    """
    function = gpu.function
    if function is None:
        return 'it is no PCI card'
    if function.boot_vga and not _is_named(gpu, machine.boot_vga):
        return (
            "it is the firmware's boot VGA: to offer it nevertheless, name it "
            'in [gpuvirt]boot_vga'
        )
    if function.driver == 'gim':
        return (
            "it is a PF of AMD's gim, whose configuration space is corrupt "
            'after a reset through VFIO: to give it whole, unload gim'
        )
    if function.virtfns:
        return (
            f'{len(function.virtfns)} virtual functions of it are enabled: to '
            f'give it whole, {_without_vfs(gpu)}'
        )
    return None


def _without_vfs(gpu: model.Gpu) -> str:
    """Name what disables VFs; of NVIDIA's, its script alone may."""
    if gpu.is_nvidia:
        return f'run /usr/lib/nvidia/sriov-manage -d {gpu.address}'
    return 'write 0 to its sriov_numvfs'


def whole_to_others(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
    """Tell why no further guest gets a card whole, None where one may.

    A guest that has it keeps it: unlike what `whole` tells, it can be given.
    """
    function = gpu.function
    if function is None:
        return None
    why = (
        allow_list.why_not_whole(function, machine.accelerators)
        or gpu.whole_withheld
    )
    if why is None and (not_clean := not_reset(machine, gpu)):
        return (
            f'{not_clean}; to offer it nevertheless, name it in '
            '[gpuvirt]without_reset'
        )
    return why


def without_stuck(machine: machine_.Machine, gpu: model.Gpu) -> model.Gpu:
    """Leave those companions with the host that can't go to a guest.

    Without them the card is for nobody but the guests that have it.
    """
    addresses = [f.address for f in gpu.functions]
    stuck = {
        f.address: why
        for f in companions.apart(gpu)
        if (why := vfio.why_not_beside(machine, f.address, addresses))
    }
    if not stuck:
        return gpu
    reasons = '; '.join(f'{a}: {why}' for a, why in stuck.items())
    return companions.without(
        gpu, stuck, f'a function of it can not go along: {reasons}'
    )


def not_reset(machine: machine_.Machine, gpu: model.Gpu) -> str | None:
    """Tell why a card can't be reset, None where it can, or need not."""
    if _is_named(gpu, machine.without_reset):
        return None
    return resets.why_not(machine.sysfs, gpu)


def is_let_be(machine: machine_.Machine, gpu: model.Gpu) -> bool:
    """Tell whether a card can't be reset, and is offered nevertheless."""
    return _is_named(gpu, machine.without_reset) and (
        resets.why_not(machine.sysfs, gpu) is not None
    )


def _is_named(gpu: model.Gpu, globs: Sequence[str]) -> bool:
    """Tell whether one of the operator's globs of addresses is a card's."""
    return any(
        fnmatch.fnmatchcase(str(gpu.address), glob.lower()) for glob in globs
    )
