"""What a kernel does with its PCI functions, and what it refuses.

Every operation checks first and changes then, so a refused one leaves
everything as it was.

Sources: the kernel's drivers/base/{bus,dd}.c (bind, unbind, probe) and
drivers/pci/{pci-sysfs,iov}.c (override, SR-IOV).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.drivers import pf_drivers
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import device as device_
from nova_gpuvirt.simulation.kernel import iommu
from nova_gpuvirt.simulation.kernel import matching
from nova_gpuvirt.simulation.kernel import mdevs
from nova_gpuvirt.simulation.kernel import mdevtree
from nova_gpuvirt.simulation.kernel import processes
from nova_gpuvirt.simulation.kernel import tree


class Kernel:
    """The state of a running host. Not thread-safe."""

    def __init__(self, host: description.Host, place: folder.Folder) -> None:
        self.host = host
        self.devices: dict[str, device_.Device] = {}
        self.held: set[str] = set()
        self._folder = place
        self._tree = tree.Tree(place, host)
        self._groups = iommu.IommuGroups(host, self._tree)
        self._vfio = iommu.Numbers()
        files = mdevtree.MdevTree(place, self._tree)
        self.mdevs = mdevs.Mdevs(files, self._groups, self._vfio)
        self.pf_drivers = pf_drivers.PfDrivers(place)
        self.processes = processes.Processes(place, host)
        self._matching = matching.Matching(host, self._tree.drivers)

    def boot(self, functions: Iterable[description.Function]) -> None:
        """Write the host as it is after a start with these functions."""
        self._tree.write()
        self.processes.write()
        self.plug(functions)

    def plug(self, functions: Iterable[description.Function]) -> None:
        """Show functions, each after its bridge, and start their drivers."""
        added = []
        for function in functions:
            self._tree.add(function)
            device = device_.Device(function, self._groups.join(function))
            self.devices[function.address] = device
            added.append(device)
        for device in added:
            self._attach(device)
            vfs = device.function.vfs
            if vfs and device.has_own_driver:
                self._enable_vfs(device, vfs.enabled)

    def unplug(self, function: description.Function) -> None:
        """Show a function no longer; nothing may be behind it."""
        device = self.devices[function.address]
        self._quit(device)
        self._forget(device)
        self._tree.remove(function)

    def bind(self, driver: str, name: str) -> None:
        """Do what a write to a driver's ``bind`` does.

        :raises OSError: ENODEV without such a function or when the driver
            does not match it, EBUSY when it has a driver; what the driver's
            probe says else
        """
        device = self._named(name)
        if not self._matching.matches(driver, device):
            raise refusal(errno.ENODEV, f'{driver} does not match {name}')
        if device.driver:
            raise refusal(errno.EBUSY, f'{name} is bound to {device.driver}')
        refused = matching.refused(driver, device, self._pf(device))
        if refused:
            raise refused
        self._give(driver, device)

    def unbind(self, driver: str, name: str) -> None:
        """Do what a write to a driver's ``unbind`` does.

        The mdevs and the VFs of the function go with its driver. Real
        hardware waits without end while a process holds one of them, or the
        function; here that is EBUSY.

        :raises OSError: ENODEV when the driver does not have the function
        """
        device = self._named(name)
        if device.driver != driver:
            raise refusal(errno.ENODEV, f'{name} is not bound to {driver}')
        self._refuse_if_held(device)
        self._quit(device)

    def probe(self, name: str) -> None:
        """Do what a write to ``drivers_probe`` does.

        It succeeds without an effect when the function has a driver, when
        none matches, and when the driver's probe fails.

        :raises OSError: ENODEV without such a function
        """
        device = self._named(name)
        if device.driver is None:
            self._attach(device)

    def add_id(self, driver: str, pci_id: matching.PciId) -> None:
        """Do what a write to ``new_id`` does: take all that match.

        :raises OSError: EEXIST when the driver has the id
        """
        self._matching.add_id(driver, pci_id)
        for device in self.devices.values():
            if device.driver is None and self._matching.matches(
                driver, device
            ):
                self._try(driver, device)

    def remove_id(self, driver: str, pci_id: matching.PciId) -> None:
        """Do what a write to ``remove_id`` does.

        :raises OSError: ENODEV when the driver does not have the id
        """
        self._matching.remove_id(driver, pci_id)

    def set_override(self, address: str, driver: str) -> None:
        """Do what a write to ``driver_override`` does; '' clears it."""
        self.devices[address].override = driver or None
        self._change(address, 'driver_override', driver or '(null)')

    def set_autoprobe(self, address: str, value: bool) -> None:
        """Do what a write to ``sriov_drivers_autoprobe`` does."""
        self.devices[address].autoprobe = value
        self._change(address, 'sriov_drivers_autoprobe', str(int(value)))

    def set_numvfs(self, address: str, count: int) -> None:
        """Do what a write to ``sriov_numvfs`` does.

        Real hardware waits without end when a VF to be removed is held by a
        process; here that is EBUSY.

        :raises OSError: ERANGE beyond ``sriov_totalvfs``; ENOENT when the
            function has no driver, or one that does not configure SR-IOV;
            EBUSY for a change between two numbers that are not 0
        """
        device = self.devices[address]
        vfs = device.function.vfs
        assert vfs is not None, address
        if count > vfs.total:
            raise refusal(errno.ERANGE, f'{address} has {vfs.total} VFs')
        if count == len(device.vfs):
            return
        if device.driver is None:
            raise refusal(errno.ENOENT, 'no driver bound to device')
        if not device.has_own_driver or not vfs.configurable:
            why = 'driver does not support SR-IOV configuration via sysfs'
            raise refusal(errno.ENOENT, why)
        if count and device.vfs:
            why = f'{len(device.vfs)} VFs already enabled. Disable before'
            raise refusal(errno.EBUSY, why)
        for vf in device.vfs:
            self._refuse_if_held(self.devices[vf])
        self._disable_vfs(device)
        self._enable_vfs(device, count)

    def create_mdev(self, address: str, type_id: str, text: str) -> None:
        """Do what a write to an mdev type's ``create`` does."""
        self.mdevs.create(self.devices[address].function, type_id, text)

    def remove_mdev(self, uuid: str) -> None:
        """Do what a write of 1 to an mdev's ``remove`` does.

        Unverified for drivers of vendors: while a process holds the mdev,
        some refuse with EBUSY, as here, and some wait.

        :raises OSError: EBUSY while the mdev is held
        """
        if uuid in self.held:
            raise refusal(errno.EBUSY, f'{uuid} is in use')
        self.mdevs.destroy(uuid)

    def hold(self, name: str) -> None:
        """Let a process have a function or an mdev open.

        :raises OSError: what the driver of the function's PF says
        """
        device = self.devices.get(name)
        running = device and self.pf_drivers.of(device.function.physfn)
        if device and device.function.vfio and running:
            running.opened(name)
        self.held.add(name)
        group = device.group if device else self.mdevs.group(name)
        self.processes.open(name, f'/dev/vfio/{group}')
        self._wake(name, 'D0')

    def release_hold(self, name: str) -> None:
        """Let the process close it."""
        self.held.discard(name)
        self.processes.close(name)
        self._wake(name, 'D3hot')

    def driver_store(self, path: str, text: str) -> None:
        """Do what a write to a file of a vendor's driver does.

        :raises OSError: what the driver says
        :raises NotImplementedError: when the file's effect is not simulated
        """
        self.pf_drivers.store(path, text)

    def place(self, address: str) -> str:
        """Give the directory of a function, relative to the root."""
        return self._tree.place(self.devices[address].function)

    def _attach(self, device: device_.Device) -> None:
        """Try the drivers that match, until one takes the function."""
        for driver in self._matching.candidates(device):
            if device.driver is None:
                self._try(driver, device)

    def _try(self, driver: str, device: device_.Device) -> None:
        """Probe; the kernel only logs when that fails."""
        if matching.refused(driver, device, self._pf(device)) is None:
            self._give(driver, device)

    def _give(self, driver: str, device: device_.Device) -> None:
        function = device.function
        device.driver = driver
        self._tree.bind(function, driver)
        if driver in matching.VFIO or (
            device.has_own_driver and function.vfio
        ):
            device.vfio = self._vfio.take()
            self._tree.add_vfio(self._tree.place(function), device.vfio)
        if device.has_own_driver:
            self.mdevs.add_parent(function)
            self._start_pf_driver(device)
        self.pf_drivers.update(function.physfn)

    def _start_pf_driver(self, device: device_.Device) -> None:
        driver = device.function.pf_driver
        if driver is not None:
            pf = pf_driver.Pf(
                device.function.address,
                device.vfs,
                self.place,
                self._has_own_driver,
                self.held,
                self.processes.runs,
            )
            self.pf_drivers.start(driver, pf)

    def _has_own_driver(self, address: str) -> bool:
        return self.devices[address].has_own_driver

    def _quit(self, device: device_.Device) -> None:
        """Take the driver away, whatever holds the function."""
        if device.driver is None:
            return
        self._disable_vfs(device)
        for mdev in self.mdevs.of(device.function):
            self.release_hold(mdev)
        if device.has_own_driver:
            self.pf_drivers.quit(device.function.address)
            self.mdevs.remove_parent(device.function)
        if device.vfio is not None:
            self._tree.remove_vfio(self._tree.place(device.function))
            self._vfio.release(device.vfio)
            device.vfio = None
        self._tree.unbind(device.function, device.driver)
        device.driver = None
        self.pf_drivers.update(device.function.physfn)

    def _forget(self, device: device_.Device) -> None:
        if device.group is not None:
            self._groups.leave(device.function, device.group)
        self.release_hold(device.function.address)
        del self.devices[device.function.address]

    def _refuse_if_held(self, device: device_.Device) -> None:
        own = {device.function.address, *self.mdevs.of(device.function)}
        if self.held & own:
            why = f'{sorted(self.held & own)} in use'
            raise refusal(errno.EBUSY, why)
        for vf in device.vfs:
            self._refuse_if_held(self.devices[vf])

    def _enable_vfs(self, device: device_.Device, count: int) -> None:
        if not count:
            return
        pf = device.function
        for number in range(count):
            vf = pf.vf(number, self._tree.resources.vf_bars(pf, number))
            self._tree.add_vf(pf, number, vf)
            made = device_.Device(vf, self._groups.join(vf))
            self.devices[vf.address] = made
            device.vfs.append(vf.address)
            self._attach(made)
        self._change(pf.address, 'sriov_numvfs', str(count))
        self._tell_driver(pf.address)

    def _disable_vfs(self, device: device_.Device) -> None:
        if not device.vfs:
            return
        while device.vfs:
            address = device.vfs.pop()
            vf = self.devices[address]
            self._quit(vf)
            self._forget(vf)
            number = len(device.vfs)
            self._tree.remove_vf(device.function, number, vf.function)
        self._change(device.function.address, 'sriov_numvfs', '0')
        self._tell_driver(device.function.address)

    def _tell_driver(self, address: str) -> None:
        running = self.pf_drivers.of(address)
        if running is not None:
            running.enabled()
            self.pf_drivers.update(address)

    def _change(self, address: str, name: str, text: str) -> None:
        self._folder.change(f'{self.place(address)}/{name}', f'{text}\n')

    def _wake(self, name: str, state: str) -> None:
        device = self.devices.get(name)
        if device and device.driver in matching.VFIO:
            self._change(name, 'power_state', state)

    def _pf(self, device: device_.Device) -> device_.Device | None:
        return self.devices.get(device.function.physfn or '')

    def _named(self, name: str) -> device_.Device:
        device = self.devices.get(name)
        if device is None:
            raise refusal(errno.ENODEV, f'no function {name!r}')
        return device
