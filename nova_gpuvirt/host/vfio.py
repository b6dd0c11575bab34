"""What VFIO needs to give functions to a guest."""

from __future__ import annotations

from collections.abc import Collection

from nova_gpuvirt import model
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_

_DRIVER = 'vfio-pci'


def why_not(
    machine: machine_.Machine, addresses: Collection[model.PciAddress]
) -> str | None:
    """Tell why these functions can't go to one guest by vfio-pci, if so.

    :raises SysfsError: when a member of their IOMMU groups can't be read
    """
    refusal = why_not_alone(machine, addresses)
    if refusal is None and not kernel.has_driver(machine.sysfs.root, _DRIVER):
        return (
            f'the kernel has no {_DRIVER}: install its module '
            '(CONFIG_VFIO_PCI)'
        )
    return refusal


def why_not_alone(
    machine: machine_.Machine, addresses: Collection[model.PciAddress]
) -> str | None:
    """Tell why the IOMMU can't give these functions to one guest, if so.

    :raises SysfsError: when a member of their IOMMU groups can't be read
    """
    groups = {machine.sysfs.link(a, 'iommu_group') for a in addresses}
    if None in groups:
        return (
            'it has no IOMMU group: switch the IOMMU on in the firmware and '
            'on the kernel command line (intel_iommu=on, on AMD it is on by '
            'itself)'
        )
    others = [
        _name(machine, member)
        for group in sorted(int(g) for g in groups if g)
        for member in machine.sysfs.group_members(group)
        if member not in addresses and not _is_bridge(machine, member)
    ]
    if not others:
        return None
    return 'its IOMMU group would take along ' + ', '.join(others)


def _is_bridge(machine: machine_.Machine, address: model.PciAddress) -> bool:
    """Tell whether a function stays behind.

    vfio-pci does not bind bridges, and they don't keep a group from being
    used (kernel Documentation/driver-api/vfio.rst).
    """
    code = machine.sysfs.read(address, 'class')
    return code.startswith(f'0x{model.PCI_BRIDGE:04x}')


def _name(machine: machine_.Machine, address: model.PciAddress) -> str:
    vendor, device = (
        int(machine.sysfs.read(address, name), 16)
        for name in ('vendor', 'device')
    )
    names = machine.names
    return f'{address} ({names.vendor(vendor)} {names.device(vendor, device)})'
