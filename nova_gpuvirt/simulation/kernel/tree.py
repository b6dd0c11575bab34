"""The layout of a host's sysfs: which file, directory and link is where.

It follows what a real kernel showed (Linux 6.12).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.kernel import attributes
from nova_gpuvirt.simulation.kernel import config_space
from nova_gpuvirt.simulation.kernel import resources

_DRIVERS = 'sys/bus/pci/drivers'
_DEVICES = 'sys/bus/pci/devices'
_VFIO = 'dev/vfio'
_GROUPS = 'sys/kernel/iommu_groups'
_IOMMU = 'sys/devices/virtual/iommu/dmar0'
_DMAR = 'sys/firmware/acpi/tables/DMAR'
_NODES = 'sys/devices/system/node'

# What modules are called whose driver has another name.
_MODULES = {
    'nvidia-gpu': 'i2c_nvidia_gpu',
    'pcieport': 'pcieportdrv',
    'xhci_hcd': 'xhci_pci',
}
_IOMMU_FILES = {
    'address': 'fed90000',
    'cap': '80d2008c222f0686',
    'domains_supported': '65536',
    'domains_used': '2',
    'ecap': 'f00f4a',
    'version': '1:0',
}
_PCIE_SERVICES = {'pcie001': 'pcie_pme', 'pcie002': 'aer', 'pcie010': None}
_RESERVED = '0x00000000fee00000 0x00000000feefffff msi\n'


class Tree:
    """The files of a host without mdevs.

    :ivar drivers: the PCI drivers that the host has loaded
    """

    def __init__(self, place: folder.Folder, host: description.Host) -> None:
        self._folder = place
        self._host = host
        self.resources = resources.Resources(host)
        self.drivers = frozenset(self._drivers())

    def write(self) -> None:
        """Write what a host without PCI functions has."""
        for path in (
            _DEVICES,
            _DRIVERS,
            _GROUPS,
            'sys/class/iommu',
            'sys/devices/virtual',
        ):
            self._folder.directory(path)
        # Its text is the firmware's, and for root alone.
        self._folder.file(_DMAR, '', 0o400)
        self._write_huge_pages()
        self._folder.file('sys/bus/pci/drivers_probe', '', 0o200)
        for driver in sorted(self.drivers):
            self._write_driver(driver)
        if self._host.iommu:
            self._write_iommu()
        if self._host.mdev:
            self._folder.directory('sys/bus/mdev/devices')
            self._folder.directory('sys/class/mdev_bus')
        for device, nodes in self._host.platform_drm.items():
            for node in nodes:
                self._add_drm(f'sys/devices/platform/{device}', node)
        drm = (f.drm for f in self._host.functions)
        if any((*drm, self._host.platform_drm)):
            version = 'drm 1.1.0 20060810\n'
            self._folder.file('sys/class/drm/version', version, 0o444)
        for name, value in self._host.parameters.items():
            module, _, parameter = name.partition('/')
            path = f'sys/module/{module}/parameters/{parameter}'
            self._folder.file(path, f'{value}\n', 0o444)
        for path in self._host.files:
            self._folder.file(path, '', 0o755)
        if self._host.pci_ids:
            names = 'usr/share/misc/pci.ids'
            self._folder.file(names, self._host.pci_ids, 0o644)

    def place(self, function: description.Function) -> str:
        """Give the directory of a function."""
        if function.behind is None:
            return f'sys/devices/pci{function.bus}/{function.address}'
        bridge = next(
            f for f in self._host.functions if f.address == function.behind
        )
        return f'{self.place(bridge)}/{function.address}'

    def add(self, function: description.Function) -> None:
        """Show a function, without driver and IOMMU group."""
        place = self.place(function)
        for file in attributes.of_function(function, self._host):
            self._folder.file(f'{place}/{file.name}', file.text, file.mode)
        text = self.resources.text(function)
        self._folder.file(f'{place}/resource', text, 0o444)
        config = self.config(function)[: config_space.HEADER]
        self._folder.file(f'{place}/config', config, 0o644)
        self._folder.directory(f'{place}/link')
        self._folder.link(f'{place}/subsystem', 'sys/bus/pci')
        # VFs have no node of the firmware, so nothing that could supply them.
        if function.driver is None and function.physfn is None:
            self._folder.file(f'{place}/waiting_for_supplier', '0\n', 0o444)
        if self._host.iommu:
            self._folder.link(f'{place}/iommu', _IOMMU)
            member = f'{_IOMMU}/devices/{function.address}'
            self._folder.link(member, place)
        if function.behind is None:
            root = os.path.dirname(place)
            self._add_bus(root, function.bus, function.numa_node)
        if function.is_bridge:
            self._add_bridge(function, place)
        self._folder.link(f'{_DEVICES}/{function.address}', place)

    def config(self, function: description.Function) -> bytes:
        """Give the configuration space of a function as it is at first."""
        return config_space.of(function, self.resources.bars(function))

    def remove(self, function: description.Function) -> None:
        """Show a function no longer, nor anything of what is below it."""
        self._folder.remove(f'{_DEVICES}/{function.address}')
        self._folder.remove(f'{_IOMMU}/devices/{function.address}')
        self._folder.remove(self.place(function))

    def add_vf(
        self, pf: description.Function, number: int, vf: description.Function
    ) -> None:
        """Show a VF, linked with its PF."""
        self.add(vf)
        place = self.place(vf)
        self._folder.file(f'{place}/sriov_vf_msix_count', '', 0o200)
        self._folder.link(f'{place}/physfn', self.place(pf))
        self._folder.link(f'{self.place(pf)}/virtfn{number}', place)

    def remove_vf(
        self, pf: description.Function, number: int, vf: description.Function
    ) -> None:
        """Show a VF no longer."""
        self._folder.remove(f'{self.place(pf)}/virtfn{number}')
        self.remove(vf)

    def bind(self, function: description.Function, driver: str) -> None:
        """Show that a driver has a function."""
        place = self.place(function)
        state = 'D3hot' if driver == 'vfio-pci' else 'D0'
        self._folder.remove(f'{place}/waiting_for_supplier')
        self._folder.change(f'{place}/enable', '1\n')
        self._folder.change(f'{place}/power_state', f'{state}\n')
        own = f'{_DRIVERS}/{driver}/{function.address}'
        self._folder.link(own, place)
        if driver == function.driver:
            for node in function.drm:
                self._add_drm(place, node)
            if function.hive is not None:
                hive = f'{place}/xgmi_hive_info/xgmi_hive_id'
                self._folder.file(hive, f'{function.hive}\n', 0o444)
        self._folder.link(f'{place}/driver', f'{_DRIVERS}/{driver}')

    def unbind(self, function: description.Function, driver: str) -> None:
        """Show that no driver has the function any more."""
        place = self.place(function)
        self._folder.remove(f'{place}/driver')
        self._folder.remove(f'{_DRIVERS}/{driver}/{function.address}')
        if driver == function.driver and function.drm:
            for node in function.drm:
                self._folder.remove(f'sys/class/drm/{node}')
            self._folder.remove(f'{place}/drm')
        if driver == function.driver and function.hive is not None:
            self._folder.remove(f'{place}/xgmi_hive_info')
        self._folder.change(f'{place}/enable', '0\n')
        self._folder.change(f'{place}/power_state', 'unknown\n')

    def add_vfio(self, place: str, number: int) -> None:
        """Show the device that a VFIO driver offers to user space."""
        name = f'{place}/vfio-dev/vfio{number}'
        self._folder.directory(name)
        self._folder.link(f'{name}/device', place)
        self._folder.link(f'{name}/subsystem', 'sys/class/vfio-dev')
        self._folder.file(f'{_VFIO}/vfio', '', 0o666)
        self._folder.file(f'{_VFIO}/devices/vfio{number}', '', 0o600)

    def remove_vfio(self, place: str) -> None:
        """Show that no VFIO driver has the device any more."""
        for name in os.listdir(self._folder.root / place / 'vfio-dev'):
            self._folder.remove(f'{_VFIO}/devices/{name}')
        self._folder.remove(f'{place}/vfio-dev')

    def join(self, place: str, group: int) -> None:
        """Show a device as a member of an IOMMU group."""
        path = f'{_GROUPS}/{group}'
        self._folder.link(f'{path}/devices/{os.path.basename(place)}', place)
        self._folder.link(f'{place}/iommu_group', path)

    def leave(self, place: str, group: int) -> None:
        """Show a device as a member of its group no longer."""
        member = f'{_GROUPS}/{group}/devices/{os.path.basename(place)}'
        self._folder.remove(member)

    def add_group(self, group: int, *, emulated: bool = False) -> None:
        """Show an IOMMU group.

        :param emulated: for an mdev: no IOMMU stands behind the group. The
            kernel names it ``vfio-noiommu`` all the same.
        """
        path = f'{_GROUPS}/{group}'
        self._folder.directory(f'{path}/devices')
        kind = 'unknown' if emulated else 'identity'
        self._folder.file(f'{path}/type', f'{kind}\n', 0o644)
        regions = '' if emulated else _RESERVED
        self._folder.file(f'{path}/reserved_regions', regions, 0o444)
        if emulated:
            self._folder.file(f'{path}/name', 'vfio-noiommu\n', 0o444)

    def remove_group(self, group: int) -> None:
        """Show an IOMMU group no longer."""
        self._folder.remove(f'{_GROUPS}/{group}')

    def _drivers(self) -> Iterator[str]:
        yield from self._host.drivers
        for function in self._host.functions:
            if function.driver:
                yield function.driver
            if function.vfs and function.vfs.driver:
                yield function.vfs.driver

    def _write_driver(self, driver: str) -> None:
        path = f'{_DRIVERS}/{driver}'
        for name in ('bind', 'new_id', 'remove_id', 'unbind'):
            self._folder.file(f'{path}/{name}', '', 0o200)
        module = _MODULES.get(driver, driver.replace('-', '_'))
        self._folder.link(f'{path}/module', f'sys/module/{module}')

    def _write_iommu(self) -> None:
        self._folder.directory(f'{_IOMMU}/devices')
        for name, text in _IOMMU_FILES.items():
            path = f'{_IOMMU}/intel-iommu/{name}'
            self._folder.file(path, f'{text}\n', 0o444)
        self._folder.link(f'{_IOMMU}/subsystem', 'sys/class/iommu')
        self._folder.link('sys/class/iommu/dmar0', _IOMMU)

    def _write_huge_pages(self) -> None:
        """Write what each NUMA node has of them.

        Source: the kernel's Documentation/admin-guide/mm/hugetlbpage.rst.
        """
        for node in range(len(self._host.cpus)):
            counts = self._host.huge_pages
            reserved = counts[node] if node < len(counts) else 0
            for size, count in (('2048kB', reserved), ('1048576kB', 0)):
                path = f'{_NODES}/node{node}/hugepages/hugepages-{size}'
                for name, number, mode in (
                    ('nr_hugepages', count, 0o644),
                    ('free_hugepages', count, 0o444),
                    ('surplus_hugepages', 0, 0o444),
                ):
                    self._folder.file(f'{path}/{name}', f'{number}\n', mode)

    def _add_bus(self, above: str, bus: str, numa_node: int) -> None:
        path = f'{above}/pci_bus/{bus}'
        for file in attributes.of_bus(self._host, numa_node):
            self._folder.file(f'{path}/{file.name}', file.text, file.mode)
        self._folder.link(f'{path}/device', above)
        self._folder.link(f'{path}/subsystem', 'sys/class/pci_bus')

    def _add_bridge(self, function: description.Function, place: str) -> None:
        buses = {int(f.bus[5:], 16) for f in self._host.walk(function.address)}
        first = min(buses, default=int(function.bus[5:], 16) + 1)
        last = max(buses, default=first)
        text = f'{first}\n'
        self._folder.file(f'{place}/secondary_bus_number', text, 0o444)
        for file in attributes.of_bridge(function, last):
            self._folder.file(f'{place}/{file.name}', file.text, file.mode)
        bus = f'{function.bus[:5]}{first:02x}'
        self._add_bus(place, bus, function.numa_node)
        if not function.aer:
            return
        for service, driver in _PCIE_SERVICES.items():
            path = f'{place}/{function.address}:{service}'
            if driver:
                target = f'sys/bus/pci_express/drivers/{driver}'
                self._folder.link(f'{path}/driver', target)
            self._folder.link(f'{path}/subsystem', 'sys/bus/pci_express')

    def _add_drm(self, place: str, node: str) -> None:
        minor = int(node.removeprefix('card').removeprefix('renderD'))
        path = f'{place}/drm/{node}'
        self._folder.file(f'{path}/dev', f'226:{minor}\n', 0o444)
        self._folder.link(f'{path}/device', place)
        self._folder.link(f'{path}/subsystem', 'sys/class/drm')
        if node.startswith('card'):
            self._folder.link(f'{place}/drm/controlD{64 + minor}', path)
        self._folder.link(f'sys/class/drm/{node}', path)
