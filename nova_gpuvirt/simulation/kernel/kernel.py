"""What a kernel does with its PCI functions, and what it refuses.

Every operation checks first and changes then, so a refused one leaves
everything as it was.

Sources: the kernel's drivers/base/{bus,dd}.c (bind, unbind, probe) and
drivers/pci/{pci-sysfs,iov}.c (override, SR-IOV).
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Iterable

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.drivers import pf_drivers
from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import device as device_
from nova_gpuvirt.simulation.kernel import iommu
from nova_gpuvirt.simulation.kernel import kfd
from nova_gpuvirt.simulation.kernel import matching
from nova_gpuvirt.simulation.kernel import mdevs
from nova_gpuvirt.simulation.kernel import mdevtree
from nova_gpuvirt.simulation.kernel import nvidia_proc
from nova_gpuvirt.simulation.kernel import processes
from nova_gpuvirt.simulation.kernel import resets
from nova_gpuvirt.simulation.kernel import resetting
from nova_gpuvirt.simulation.kernel import tree
from nova_gpuvirt.simulation.kernel import vgpu_manager


class Kernel:
    """The state of a running host. Not thread-safe."""

    def __init__(self, host: description.Host, place: folder.Folder) -> None:
        self.host = host
        self.devices: dict[str, device_.Device] = {}
        self.held: set[str] = set()
        self.resets = resets.Resets()
        self._folder = place
        self._tree = tree.Tree(place, host)
        self._groups = iommu.IommuGroups(host, self._tree)
        self._vfio = iommu.Numbers()
        files = mdevtree.MdevTree(place, self._tree)
        self.vgpu_manager = vgpu_manager.VgpuManager()
        self.mdevs = mdevs.Mdevs(
            files, self._groups, self._vfio, self.held, self.vgpu_manager
        )
        self.pf_drivers = pf_drivers.PfDrivers(place)
        self.processes = processes.Processes(place, host)
        self.nvidia = nvidia_proc.NvidiaProc(place, self.processes)
        self.kfd = kfd.Kfd(place, host)
        self._matching = matching.Matching(host, self._tree.drivers)
        self.resetting = resetting.Resetting(
            place,
            self._tree,
            self.devices,
            self.held,
            self.mdevs,
            self.resets,
        )

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
            device.config = self._tree.config(function)
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
        refused = self._refused(driver, device)
        if refused:
            raise refused
        self._give(driver, device)

    def unbind(self, driver: str, name: str) -> None:
        """Do what a write to a driver's ``unbind`` does.

        The mdevs and the VFs of the function go with its driver. It waits
        without end while a process holds one of them or the function through
        VFIO (``vfio_unregister_group_dev`` of drivers/vfio/vfio_main.c), or
        has a card of NVIDIA's open (`nvidia_proc`). Other drivers of displays
        let go at once (``drm_dev_unplug``).

        :raises OSError: ENODEV when the driver does not have the function
        :raises InUse: while it waits
        """
        device = self._named(name)
        if device.driver != driver:
            raise refusal(errno.ENODEV, f'{name} is not bound to {driver}')
        self._wait_for_holders(device)
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

        It waits without end while a VF to be removed is held by a process, as
        `unbind` does.

        :raises OSError: ERANGE beyond ``sriov_totalvfs``; ENOENT when the
            function has no driver, or one that does not configure SR-IOV;
            EBUSY for a change between two numbers that are not 0
        :raises InUse: while it waits
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
            self._wait_for_holders(self.devices[vf])
        self._disable_vfs(device)
        self._enable_vfs(device, count)

    def hold(self, name: str) -> None:
        """Let a process have a function or an mdev open.

        :raises OSError: what the driver of the function's PF says
        """
        device = self.devices.get(name)
        running = device and self.pf_drivers.of(device.function.physfn)
        if device and device.function.vfio and running:
            running.opened(name)
        self.held.add(name)
        if self._is_nvidia_vgpu(name):
            function = name if device else self.mdevs.parent(name)
            self.vgpu_manager.opened(name, function)
        group = device.group if device else self.mdevs.group(name)
        self.processes.open(name, f'/dev/vfio/{group}')
        self._wake(name, 'D0')

    def release_hold(self, name: str) -> None:
        """Let the process close it."""
        device = self.devices.get(name)
        was_held = name in self.held
        self.held.discard(name)
        if was_held and device and device.vfio is not None:
            self.resets.closed(device, self.devices.values(), self.held)
        self.vgpu_manager.closed(name)
        self.processes.close(name)
        self._wake(name, 'D3hot')

    def start_process(self, name: str, *nodes: str, parent: int = 1) -> int:
        """Let a new process open nodes of devices.

        :raises OSError: ENODEV for a card of NVIDIA's that is locked
        """
        for node in nodes:
            self.nvidia.check_may_open(node)
        return self.processes.start(name, *nodes, parent=parent)

    def stop_process(self, pid: int) -> None:
        """Let a process end that was started so."""
        self.kfd.end(pid)
        self.processes.stop(pid)

    def advance(self, seconds: float) -> None:
        """Let time pass for NVIDIA's manager."""
        let_go = self.vgpu_manager.advance(seconds)
        for vgpu in let_go if self.vgpu_manager.removes else ():
            if vgpu in self.mdevs:
                self.mdevs.destroy(vgpu)
            elif vgpu in self.devices:
                place = f'{self.place(vgpu)}/nvidia/current_vgpu_type'
                self.pf_drivers.store(place, '0')

    def _is_nvidia_vgpu(self, name: str) -> bool:
        device = self.devices.get(name)
        if device is None:
            return self.mdevs.driver(name) == mdev.Nvidia.driver
        return device.function.vfio and device.has_own_driver

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
        if self._refused(driver, device) is None:
            self._give(driver, device)

    def _refused(self, driver: str, device: device_.Device) -> OSError | None:
        """Say why a driver's probe fails, if it does."""
        own = driver == device.function.driver and driver not in matching.VFIO
        if own and device.function.address in self.resets.without_driver:
            return refusal(errno.EIO, 'the driver finds nothing that answers')
        return matching.refused(driver, device, self._pf(device))

    def _give(self, driver: str, device: device_.Device) -> None:
        function = device.function
        device.driver = driver
        self._tree.bind(function, driver)
        self.nvidia.add(function, driver)
        self.kfd.add(function, driver)
        if driver in matching.VFIO or (
            device.has_own_driver and function.vfio
        ):
            device.vfio = self._vfio.take()
            self._tree.add_vfio(self._tree.place(function), device.vfio)
        if device.has_own_driver:
            card = function.physfn or function.address
            self.mdevs.add_parent(function, self.pf_drivers.memory(card))
            self._start_pf_driver(device)
        self.pf_drivers.update(function.physfn)

    def _start_pf_driver(self, device: device_.Device) -> None:
        driver = device.function.pf_driver
        if driver is not None:
            address = device.function.address
            pf = pf_driver.Pf(
                address,
                device.vfs,
                self.place,
                lambda name: self.devices[name].has_own_driver,
                self.held,
                self.processes.runs,
                self.vgpu_manager.keeps,
                functools.partial(self.mdevs.vgpus, address),
                functools.partial(self.nvidia.is_open, address),
                functools.partial(self._set_vfs, device),
                functools.partial(self._share, address),
            )
            self.pf_drivers.start(driver, pf)

    def _set_vfs(self, device: device_.Device, wanted: bool) -> None:
        """Make all VFs or none, as NVIDIA's own script does."""
        vfs = device.function.vfs
        self._disable_vfs(device)
        self._enable_vfs(device, vfs.total if vfs and wanted else 0)

    def _share(self, card: str) -> None:
        memory = self.pf_drivers.memory(card)
        if memory is not None:
            self.mdevs.share(card, memory)
        self.pf_drivers.update(card)

    def _quit(self, device: device_.Device) -> None:
        """Take the driver away, whatever holds the function."""
        if device.driver is None:
            return
        self._disable_vfs(device)
        for uuid in self.mdevs.of(device.function):
            self.release_hold(uuid)
        if device.has_own_driver:
            self.pf_drivers.quit(device.function.address)
            self.mdevs.remove_parent(device.function)
        if device.vfio is not None:
            self._tree.remove_vfio(self._tree.place(device.function))
            self._vfio.release(device.vfio)
            device.vfio = None
        self._tree.unbind(device.function, device.driver)
        self.nvidia.remove(device.function.address)
        self.kfd.remove(device.function.address)
        device.driver = None
        self.pf_drivers.update(device.function.physfn)

    def _forget(self, device: device_.Device) -> None:
        address = device.function.address
        if device.group is not None:
            self._groups.leave(device.function, device.group)
        self.release_hold(address)
        self.vgpu_manager.cure(address)
        del self.devices[address]

    def _wait_for_holders(self, device: device_.Device) -> None:
        """Go on only when nobody holds a function, its mdevs or its VFs.

        :raises InUse: else, before anything is changed: who writes waits for
            a process to close something, and writes anew
        """
        address = device.function.address
        own = {address, *self.mdevs.of(device.function)}
        if self.held & own or self.nvidia.is_open(address):
            raise device_.InUse(address)
        for vf in device.vfs:
            self._wait_for_holders(self.devices[vf])

    def _enable_vfs(self, device: device_.Device, count: int) -> None:
        if not count:
            return
        pf = device.function
        for number in range(count):
            vf = pf.vf(number, self._tree.resources.vf_bars(pf, number))
            self._tree.add_vf(pf, number, vf)
            made = device_.Device(vf, self._groups.join(vf))
            made.config = self._tree.config(vf)
            self.devices[vf.address] = made
            device.vfs.append(vf.address)
            self._attach(made)
        self._change(pf.address, 'sriov_numvfs', str(count))
        self.pf_drivers.enabled(pf.address)

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
        self.pf_drivers.enabled(device.function.address)

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
