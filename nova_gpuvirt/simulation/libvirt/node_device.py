"""The node device of a PCI function of a simulated host.

Sources: libvirt's src/hypervisor/virhostdev.c
(``virHostdevPCINodeDeviceDetach``, ``…ReAttach``: refused while a domain has
the function) and src/util/virpci.c (``virPCIDeviceBindToStub``: nothing to do
where the function has that driver).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.simulation.libvirt import errors

if TYPE_CHECKING:
    from nova_gpuvirt.simulation.libvirt import connection as connection_

# By what libvirt's API calls a driver; None is its own choice.
_DRIVERS = {None: 'vfio-pci', 'vfio': 'vfio-pci'}


class PciDevice:
    """A function as libvirt shows it, and moves it between drivers."""

    def __init__(
        self, connection: connection_.Connection, function: model.PciAddress
    ) -> None:
        self._connection = connection
        self._function = function

    def name(self) -> str:
        """Name it as libvirt does."""
        return self._function.nodedev

    def parent(self) -> str:
        """Name the node device above it."""
        above = self._connection.sysfs.above(self._function)[-1:]
        try:
            return model.PciAddress.parse(above[0]).nodedev
        except (IndexError, ValueError):  # on a root bus
            return 'computer'

    def listCaps(self) -> list[str]:  # noqa: N802
        """List what it can: it is of PCI."""
        return ['pci']

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        """Print what Nova reads of it."""
        seen, function = self._connection.sysfs, self._function
        device = etree.Element('device')
        _add(device, 'name', self.name())
        _add(device, 'parent', self.parent())
        driver = seen.link(function, 'driver')
        if driver is not None:
            _add(etree.SubElement(device, 'driver'), 'name', driver)
        pci = etree.SubElement(device, 'capability', type='pci')
        code = int(seen.read(function, 'class'), 16)
        _add(pci, 'class', f'0x{code:06x}')
        for part in ('domain', 'bus', 'slot', 'function'):
            _add(pci, part, str(getattr(function, part)))
        for tag, name in (('product', 'device'), ('vendor', 'vendor')):
            number = int(seen.read(function, name), 16)
            etree.SubElement(pci, tag, id=f'0x{number:04x}').text = ''
        self._add_functions(pci)
        self._add_group(pci)
        node = int(seen.read(function, 'numa_node'))
        if node >= 0:
            etree.SubElement(pci, 'numa', node=str(node))
        return str(
            etree.tostring(device, encoding='unicode', pretty_print=True)
        )

    def detachFlags(self, driver: str | None, flags: int) -> None:  # noqa: N802
        """Move it to vfio-pci."""
        if driver not in _DRIVERS:
            raise errors.error(
                fakelibvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                f"unsupported configuration: unsupported driver '{driver}'",
            )
        self._check_free()
        self._connection.detach_pci(str(self._function), _DRIVERS[driver])

    def dettach(self) -> None:
        """Move it to vfio-pci, as its first name in libvirt was."""
        self.detachFlags(None, 0)

    def reAttach(self) -> None:  # noqa: N802
        """Give it back to its driver."""
        self._check_free()
        self._connection.reattach_pci(str(self._function))

    def _check_free(self) -> None:
        guest = self._connection.user_of(str(self._function))
        if guest is not None:
            raise errors.error(
                fakelibvirt.VIR_ERR_OPERATION_INVALID,
                'Requested operation is not valid: PCI device '
                f'{self._function} is in use by driver QEMU, domain {guest}',
            )

    def _add_functions(self, pci: Any) -> None:
        seen = self._connection.sysfs
        physfn = seen.link(self._function, 'physfn')
        if physfn is not None:
            above = [model.PciAddress.parse(physfn)]
            _add_addresses(pci, 'phys_function', above)
        vfs = seen.virtfns(self._function)
        if vfs:
            _add_addresses(pci, 'virt_functions', vfs)

    def _add_group(self, pci: Any) -> None:
        group = self._connection.sysfs.link(self._function, 'iommu_group')
        if group is not None:
            element = etree.SubElement(pci, 'iommuGroup', number=group)
            members = self._connection.sysfs.group_members(int(group))
            for member in members:
                _add_address(element, member)


def _add(above: Any, tag: str, text: str) -> None:
    etree.SubElement(above, tag).text = text


def _add_addresses(pci: Any, kind: str, functions: Any) -> None:
    element = etree.SubElement(pci, 'capability', type=kind)
    for function in functions:
        _add_address(element, function)


def _add_address(above: Any, function: model.PciAddress) -> None:
    etree.SubElement(
        above,
        'address',
        domain=f'0x{function.domain:04x}',
        bus=f'0x{function.bus:02x}',
        slot=f'0x{function.slot:02x}',
        function=f'0x{function.function:x}',
    )
