"""Whether a card can be reset between two guests.

The kernel lists the ways in ``reset_method``, since Linux 5.15
(Documentation/ABI/testing/sysfs-bus-pci); before, ``reset`` alone says that
there is one. ``bus`` there does not count: it is listed for the first function
of a bus even if there are others, and refused later (drivers/pci/pci.c). VFIO
resets a bus by itself once all that is on it is with VFIO and closed
(drivers/vfio/pci/vfio_pci_core.c).
"""

from __future__ import annotations

from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import sysfs as sysfs_

_OF_THE_BUS = 'bus'
# The root bus, and at least one bridge.
_BELOW_A_BRIDGE = 2


def why_not(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> str | None:
    """Tell why a card can't be reset, None where it can."""
    card = gpu.function
    if card is None:
        return None
    try:
        if is_alone(sysfs, card):
            return None
    except exception.SysfsError as error:
        return f'whether it can be reset is not known: {error}'
    return _why_not_its_bus(
        card,
        {f.address for f in gpu.functions},
        sysfs.behind(card.above[-1]) if card.above else (),
    )


def is_alone(sysfs: sysfs_.Sysfs, function: model.PciFunction) -> bool:
    """Tell whether a function can be reset by itself.

    :raises SysfsError: when that can't be read
    """
    methods = sysfs.read_if_there(function.address, 'reset_method')
    if methods is None:
        return sysfs.has_reset(function.address)
    return bool({*methods.split()} - {_OF_THE_BUS})


def is_of_one_function(
    sysfs: sysfs_.Sysfs, function: model.PciFunction
) -> bool:
    """Tell whether the reset that the kernel tries first is PCI Express's.

    An FLR resets the function, a hot reset the bus (PCI Express Base
    Specification, "Function Level Reset" and "Conventional Reset"), and
    nothing else; VFIO does the same when a guest closes a card. What another
    way resets is the card's to say: amdgpu's resets all cards of a hive.

    :raises SysfsError: when that can't be read
    """
    methods = sysfs.read_if_there(function.address, 'reset_method') or ''
    return methods.split()[:1] in (['flr'], ['af_flr'], [_OF_THE_BUS])


def is_bus_theirs(
    sysfs: sysfs_.Sysfs, functions: Collection[model.PciFunction]
) -> bool:
    """Tell whether functions can be reset by a bus that has no others."""
    return all(
        _why_not_its_bus(
            function,
            {f.address for f in functions},
            sysfs.behind(function.above[-1]) if function.above else (),
        )
        is None
        for function in functions
    )


def _why_not_its_bus(
    card: model.PciFunction,
    own: Collection[model.PciAddress],
    beside: Collection[model.PciAddress],
) -> str | None:
    """Tell why a card can't be reset by its bus. Pure.

    :param own: the card's functions
    :param beside: all functions on its bus, bridges too
    """
    why = 'it can not be reset by itself, '
    if len(card.above) < _BELOW_A_BRIDGE:
        return f'{why}and there is no bridge above it whose bus could be'
    others = sorted(set(beside) - set(own))
    if not others:
        return None
    return f'{why}and its bus has others too: ' + ', '.join(map(str, others))
