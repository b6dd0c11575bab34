"""What VFIO needs to give functions to a guest.

A guest has an IOMMU group alone. The kernel lets it have one while each
member that stays with the host has no driver, or one that leaves DMA to
others: ``driver_managed_dma`` of drivers since Linux 5.19 (VFIO's,
drivers/pci/pci-stub.c, drivers/pci/pcie/portdrv.c), and ``vfio_dev_viable`` of
drivers/vfio/vfio.c before.
"""

from __future__ import annotations

from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_

_DRIVER = 'vfio-pci'
# The ends of the names of VFIO's drivers: mlx5_vfio_pci, xe-vfio-pci.
_DRIVERS = ('vfio-pci', 'vfio_pci')
_STUB = 'pci-stub'
# It takes bridges, and event collectors, which only newer kernels forgive.
_PORT_DRIVER = 'pcieport'
# The base classes of what guests get apart: displays and accelerators.
_GIVEN_APART = frozenset({0x03, 0x12})


def is_driver(name: str | None) -> bool:
    """Tell whether a driver is one of VFIO's."""
    return name is not None and name.endswith(_DRIVERS)


def why_not(
    machine: machine_.Machine, addresses: Collection[model.PciAddress]
) -> str | None:
    """Tell why these functions can't go to one guest by vfio-pci, if so."""
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
    """Tell why the IOMMU can't give these functions to one guest, if so."""
    groups = dict.fromkeys(_group(machine, a) for a in addresses)
    reasons = (_why_not_of(machine, g, addresses) for g in groups)
    return next((why for why in reasons if why is not None), None)


def why_not_beside(
    machine: machine_.Machine,
    address: model.PciAddress,
    addresses: Collection[model.PciAddress],
) -> str | None:
    """Tell why the IOMMU can't give a function to the guest that has these."""
    return _why_not_of(machine, _group(machine, address), addresses)


def _group(machine: machine_.Machine, address: model.PciAddress) -> str | None:
    return machine.sysfs.link(address, 'iommu_group')


def _why_not_of(
    machine: machine_.Machine,
    group: str | None,
    addresses: Collection[model.PciAddress],
) -> str | None:
    """Tell why a group does not go to the guest that has these, if so."""
    if group is None:
        return (
            'it has no IOMMU group: switch the IOMMU on in the firmware and '
            'on the kernel command line (intel_iommu=on, on AMD it is on by '
            'itself)'
        )
    others = []
    for member in machine.sysfs.group_members(int(group)):
        if member in addresses:
            continue
        try:
            if not _stays_behind(machine, member):
                others.append(_name(machine, member))
        except (exception.SysfsError, ValueError) as error:
            return (
                f'its IOMMU group has {member} too, of which it is not known '
                f'whether it can stay with the host: {error}'
            )
    if not others:
        return None
    return (
        f'its IOMMU group would take along {", ".join(others)}: use another '
        "slot, or the firmware's setting for ACS"
    )


def _stays_behind(
    machine: machine_.Machine, address: model.PciAddress
) -> bool:
    """Tell whether a member can stay with the host while a guest has others.

    What guests get apart can't, whatever its driver: a group is one guest's.
    The kernel shows the class of a bridge only for a header of a bridge
    (``pci_setup_device`` of drivers/pci/probe.c).

    :raises SysfsError: when its class can't be read
    :raises ValueError: when that is nonsense
    """
    code = int(machine.sysfs.read(address, 'class'), 16)
    driver = machine.sysfs.link(address, 'driver')
    if driver == _PORT_DRIVER:
        return code >> 8 == model.PCI_BRIDGE
    if (
        code >> 16 in _GIVEN_APART
        or machine.sysfs.link(address, 'physfn') is not None
    ):
        return False
    return driver is None or driver == _STUB or is_driver(driver)


def _name(machine: machine_.Machine, address: model.PciAddress) -> str:
    """Name a function, and the driver that keeps it from staying."""
    vendor, device = (
        int(machine.sysfs.read(address, name), 16)
        for name in ('vendor', 'device')
    )
    driver = machine.sysfs.link(address, 'driver')
    names = machine.names
    return (
        f'{address} ({names.vendor(vendor)} {names.device(vendor, device)}'
        + (f', which {driver} has)' if driver else ')')
    )
