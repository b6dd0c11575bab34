"""What a kernel does with its PCI functions, and what it refuses.

Every operation checks first and changes then, so a refused one leaves
everything as it was.

Sources: the kernel's drivers/base/{bus,dd}.c (bind, unbind, probe),
drivers/pci/{pci-driver,pci-sysfs,iov}.c (ids, override, SR-IOV) and
drivers/vfio/pci/vfio_pci_core.c.
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterable

from nova_gpuvirt.testing import description
from nova_gpuvirt.testing import folder
from nova_gpuvirt.testing import iommu
from nova_gpuvirt.testing import mdevs
from nova_gpuvirt.testing import mdevtree
from nova_gpuvirt.testing import tree
from nova_gpuvirt.testing.refusal import refusal

_VFIO = 'vfio-pci'

PciId = tuple[int, ...]
"""What ``new_id`` takes: vendor, device, and their subsystem if told."""


@dataclasses.dataclass(slots=True)
class Device:
    """The state of a PCI function."""

    function: description.Function
    group: int | None
    pf: str | None = None
    driver: str | None = None
    override: str | None = None
    vfio: int | None = None
    autoprobe: bool = True
    vfs: list[str] = dataclasses.field(default_factory=list)


class Kernel:
    """The state of a running host. Not thread-safe."""

    def __init__(self, host: description.Host, place: folder.Folder) -> None:
        self.host = host
        self.devices: dict[str, Device] = {}
        self.held: set[str] = set()
        self._folder = place
        self._tree = tree.Tree(place, host)
        self._groups = iommu.IommuGroups(host, self._tree)
        self._vfio = iommu.Numbers()
        files = mdevtree.MdevTree(place, self._tree)
        self.mdevs = mdevs.Mdevs(files, self._groups, self._vfio)
        self._dynamic_ids: dict[str, set[PciId]] = {}

    def boot(self, functions: Iterable[description.Function]) -> None:
        """Write the host as it is after a start with these functions."""
        self._tree.write()
        self.plug(functions)

    def plug(self, functions: Iterable[description.Function]) -> None:
        """Show functions, each after its bridge, and start their drivers."""
        added = []
        for function in functions:
            self._tree.add(function)
            device = Device(function, self._groups.join(function))
            self.devices[function.address] = device
            added.append(device)
        for device in added:
            self._attach(device)
            vfs = device.function.vfs
            if vfs and vfs.enabled:
                self.set_numvfs(device.function.address, vfs.enabled)

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
        if not self._matches(driver, device):
            raise refusal(errno.ENODEV, f'{driver} does not match {name}')
        if device.driver:
            raise refusal(errno.EBUSY, f'{name} is bound to {device.driver}')
        refused = self._refused(driver, device)
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

    def add_id(self, driver: str, pci_id: PciId) -> None:
        """Do what a write to ``new_id`` does: take all that match.

        :raises OSError: EEXIST when the driver has the id
        """
        known = self._dynamic_ids.setdefault(driver, set())
        own = (f for f in self.host.functions if f.driver == driver)
        if pci_id in known or any(_has_id(f, pci_id) for f in own):
            raise refusal(errno.EEXIST, f'{driver} has {pci_id}')
        known.add(pci_id)
        for device in self.devices.values():
            if device.driver is None and self._matches(driver, device):
                self._try(driver, device)

    def remove_id(self, driver: str, pci_id: PciId) -> None:
        """Do what a write to ``remove_id`` does.

        :raises OSError: ENODEV when the driver does not have the id
        """
        known = self._dynamic_ids.get(driver, set())
        if pci_id not in known:
            raise refusal(errno.ENODEV, f'{driver} does not have {pci_id}')
        known.remove(pci_id)

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
        if device.driver != device.function.driver or not vfs.configurable:
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
        """Let a process have a function or an mdev open."""
        self.held.add(name)
        self._wake(name, 'D0')

    def release_hold(self, name: str) -> None:
        """Let the process close it."""
        self.held.discard(name)
        self._wake(name, 'D3hot')

    def place(self, address: str) -> str:
        """Give the directory of a function, relative to the root."""
        return self._tree.place(self.devices[address].function)

    def _matches(self, driver: str, device: Device) -> bool:
        """Decide as the kernel's pci_match_device does."""
        if device.override:
            return device.override == driver
        return driver == device.function.driver or any(
            _has_id(device.function, pci_id)
            for pci_id in self._dynamic_ids.get(driver, ())
        )

    def _attach(self, device: Device) -> None:
        """Try the drivers that match, the function's own before others."""
        own = device.function.driver
        for driver in sorted(self._tree.drivers, key=lambda d: d != own):
            if device.driver is None and self._matches(driver, device):
                self._try(driver, device)

    def _try(self, driver: str, device: Device) -> None:
        """Probe; the kernel only logs when that fails."""
        if self._refused(driver, device) is None:
            self._give(driver, device)

    def _refused(self, driver: str, device: Device) -> OSError | None:
        """Say why the driver's probe fails, if it does."""
        pf = self.devices[device.pf] if device.pf else None
        if pf and not pf.autoprobe and not device.override:
            why = 'sriov_drivers_autoprobe of the PF is 0'
            return refusal(errno.ENODEV, why)
        bridge = device.function.is_bridge
        if driver == _VFIO and (bridge or device.group is None):
            why = 'a bridge, or a function without an IOMMU group'
            return refusal(errno.EINVAL, why)
        return None

    def _give(self, driver: str, device: Device) -> None:
        function = device.function
        device.driver = driver
        self._tree.bind(function, driver)
        if driver == _VFIO:
            device.vfio = self._vfio.take()
            self._tree.add_vfio(self._tree.place(function), device.vfio)
        if driver == function.driver:
            self.mdevs.add_parent(function)

    def _quit(self, device: Device) -> None:
        """Take the driver away, whatever holds the function."""
        if device.driver is None:
            return
        self._disable_vfs(device)
        self.held.difference_update(self.mdevs.of(device.function))
        if device.driver == device.function.driver:
            self.mdevs.remove_parent(device.function)
        if device.vfio is not None:
            self._tree.remove_vfio(self._tree.place(device.function))
            self._vfio.release(device.vfio)
            device.vfio = None
        self._tree.unbind(device.function, device.driver)
        device.driver = None

    def _forget(self, device: Device) -> None:
        if device.group is not None:
            self._groups.leave(device.function, device.group)
        self.held.discard(device.function.address)
        del self.devices[device.function.address]

    def _refuse_if_held(self, device: Device) -> None:
        own = {device.function.address, *self.mdevs.of(device.function)}
        if self.held & own:
            why = f'{sorted(self.held & own)} in use'
            raise refusal(errno.EBUSY, why)
        for vf in device.vfs:
            self._refuse_if_held(self.devices[vf])

    def _enable_vfs(self, device: Device, count: int) -> None:
        pf = device.function
        for number in range(count):
            vf = pf.vf(number, self._tree.resources.vf_bars(pf, number))
            self._tree.add_vf(pf, number, vf)
            made = Device(vf, self._groups.join(vf), pf=pf.address)
            self.devices[vf.address] = made
            device.vfs.append(vf.address)
            self._attach(made)
        self._change(pf.address, 'sriov_numvfs', str(count))

    def _disable_vfs(self, device: Device) -> None:
        if not device.vfs:
            return
        for number, address in reversed(list(enumerate(device.vfs))):
            vf = self.devices[address]
            self._quit(vf)
            self._forget(vf)
            self._tree.remove_vf(device.function, number, vf.function)
        device.vfs.clear()
        self._change(device.function.address, 'sriov_numvfs', '0')

    def _change(self, address: str, name: str, text: str) -> None:
        self._folder.change(f'{self.place(address)}/{name}', f'{text}\n')

    def _wake(self, name: str, state: str) -> None:
        device = self.devices.get(name)
        if device and device.driver == _VFIO:
            self._change(name, 'power_state', state)

    def _named(self, name: str) -> Device:
        device = self.devices.get(name)
        if device is None:
            raise refusal(errno.ENODEV, f'no function {name!r}')
        return device


def _has_id(function: description.Function, pci_id: PciId) -> bool:
    numbers = (function.vendor, function.device, *function.subsystem)
    return pci_id == numbers[: len(pci_id)]
