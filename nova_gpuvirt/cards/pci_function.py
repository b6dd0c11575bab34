"""Read what sysfs says of one PCI function.

What is missing, unreadable or nonsense is an error that names the file.
"""

from __future__ import annotations

import re

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import numerals
from nova_gpuvirt.host import sysfs as sysfs_

_BARS = 6
_BAR = re.compile(r'0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x[0-9a-f]{1,16}')


def read(
    sysfs: sysfs_.Sysfs, address: model.PciAddress, class_code: int
) -> model.PciFunction:
    """Read a function, of which the class is known.

    :raises SysfsError: when it can't be read, or makes no sense
    """
    numa_node = _optional(sysfs, address, 'numa_node', -1)
    return model.PciFunction(
        address,
        class_code=class_code,
        vendor_id=number(sysfs, address, 'vendor', 16),
        device_id=number(sysfs, address, 'device', 16),
        subsystem=(
            number(sysfs, address, 'subsystem_vendor', 16),
            number(sysfs, address, 'subsystem_device', 16),
        ),
        driver=sysfs.link(address, 'driver'),
        numa_node=None if numa_node < 0 else numa_node,
        iommu_group=_group(sysfs, address),
        bars=bars(sysfs, address),
        boot_vga=sysfs.read_if_there(address, 'boot_vga') == '1',
        physfn=_physfn(sysfs, address),
        sriov_totalvfs=_optional(sysfs, address, 'sriov_totalvfs', 0),
        virtfns=sysfs.virtfns(address),
        above=sysfs.above(address),
    )


def bare(address: model.PciAddress, class_code: int) -> model.PciFunction:
    """Stand in for a function of which only the class could be read."""
    return model.PciFunction(
        address,
        class_code=class_code,
        vendor_id=model.NO_VENDOR,
        device_id=0xFFFF,
        subsystem=(0xFFFF, 0xFFFF),
        driver=None,
        numa_node=None,
        iommu_group=None,
        bars=(),
        boot_vga=False,
        physfn=None,
        sriov_totalvfs=0,
        virtfns=(),
    )


def ids(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> model.Ids:
    """Read the vendor and the device of a function.

    :raises SysfsError: when they can't be read, or make no sense
    """
    return (
        number(sysfs, address, 'vendor', 16),
        number(sysfs, address, 'device', 16),
    )


def number(
    sysfs: sysfs_.Sysfs, address: model.PciAddress, attribute: str, bits: int
) -> int:
    """Read a hexadecimal number of so many bits.

    All ones is no class and no vendor. (A card that falls off the bus later
    is not seen here: the kernel keeps what it read first.)

    :raises SysfsError: when the file can't be read, or makes no sense
    """
    text = sysfs.read(address, attribute)
    if re.fullmatch(r'0x[0-9a-f]{1,16}', text):
        value = int(text, 16)
        all_ones = (1 << bits) - 1
        if value < all_ones or attribute.startswith('subsystem'):
            return value & all_ones
    kind = f'a hexadecimal number of {bits} bits that are not all ones'
    raise _nonsense(address, attribute, kind, text)


def bars(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> tuple[int, ...]:
    """Read the sizes of the standard BARs: ``0xSTART 0xEND 0xFLAGS`` each.

    :raises SysfsError: when the file makes no sense
    """
    text = sysfs.read(address, 'resource')
    sizes = []
    for line in text.splitlines()[:_BARS]:
        match = _BAR.fullmatch(line)
        start, end = (
            (int(part, 16) for part in match.groups()) if match else (1, 0)
        )
        if start > end and (match is None or end):
            raise _nonsense(address, 'resource', 'start, end and flags', line)
        sizes.append(end - start + 1 if end else 0)
    return tuple(sizes)


def _group(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> int | None:
    name = sysfs.link(address, 'iommu_group')
    group = numerals.decimal(name)
    if name is not None and group is None:
        raise _nonsense(address, 'iommu_group', 'a number', name)
    return group


def _physfn(
    sysfs: sysfs_.Sysfs, address: model.PciAddress
) -> model.PciAddress | None:
    name = sysfs.link(address, 'physfn')
    try:
        return None if name is None else model.PciAddress.parse(name)
    except ValueError as error:
        raise _nonsense(address, 'physfn', 'a PCI address', name or '') from (
            error
        )


def _optional(
    sysfs: sysfs_.Sysfs,
    address: model.PciAddress,
    attribute: str,
    default: int,
) -> int:
    """Read a decimal number that not every kernel or function has."""
    text = sysfs.read_if_there(address, attribute)
    if text is None:
        return default
    if not re.fullmatch(r'-?[0-9]{1,9}', text):
        raise _nonsense(address, attribute, 'a decimal number', text)
    return int(text)


def _nonsense(
    address: model.PciAddress, attribute: str, wanted: str, found: str
) -> exception.SysfsError:
    return exception.SysfsError(
        str(address),
        wanted=f'{wanted} as its {attribute}',
        found=repr(found),
        remedy='the card may have fallen off the bus: look for it in the '
        'kernel log, and reset or replace it',
    )
