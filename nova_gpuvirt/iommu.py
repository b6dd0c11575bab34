"""What an IOMMU group would take along to a guest."""

from __future__ import annotations

from collections.abc import Collection

from nova_gpuvirt import machine as machine_
from nova_gpuvirt import model


def why_not_alone(
    machine: machine_.Machine, addresses: Collection[model.PciAddress]
) -> str | None:
    """Tell which endpoints a guest would get beyond these functions, if any.

    Bridges stay behind: vfio-pci does not bind them, and they don't keep a
    group from being used (kernel Documentation/driver-api/vfio.rst).

    :raises SysfsError: when a member can't be read
    """
    sysfs = machine.sysfs
    groups = {sysfs.link(a, 'iommu_group') for a in addresses} - {None}
    others = [
        _name(machine, member)
        for group in sorted(int(g) for g in groups if g)
        for member in sysfs.group_members(group)
        if member not in addresses and not _is_bridge(machine, member)
    ]
    if not others:
        return None
    return 'its IOMMU group would take along ' + ', '.join(others)


def _is_bridge(machine: machine_.Machine, address: model.PciAddress) -> bool:
    code = machine.sysfs.read(address, 'class')
    return code.startswith(f'0x{model.PCI_BRIDGE:04x}')


def _name(machine: machine_.Machine, address: model.PciAddress) -> str:
    vendor, device = (
        int(machine.sysfs.read(address, name), 16)
        for name in ('vendor', 'device')
    )
    names = machine.names
    return f'{address} ({names.vendor(vendor)} {names.device(vendor, device)})'
