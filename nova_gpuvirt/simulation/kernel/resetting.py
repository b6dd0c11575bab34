"""The resets that root asks the kernel for, and what they leave of a function.

Sources: the kernel's drivers/pci/pci-sysfs.c (``reset_store``) and
drivers/vfio/pci/vfio_pci_core.c (``vfio_pci_ioctl_pci_hot_reset``); `resets`
has what is refused.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt.simulation.files import folder
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import config_space
from nova_gpuvirt.simulation.kernel import device as device_
from nova_gpuvirt.simulation.kernel import matching
from nova_gpuvirt.simulation.kernel import mdevs as mdevs_
from nova_gpuvirt.simulation.kernel import resets as resets_
from nova_gpuvirt.simulation.kernel import tree as tree_


class Resetting:
    """Who resets the functions of a running host.

    :param devices: the host's functions, by address
    :param held: what a process has open
    """

    def __init__(
        self,
        place: folder.Folder,
        tree: tree_.Tree,
        devices: Mapping[str, device_.Device],
        held: Collection[str],
        mdevs: mdevs_.Mdevs,
        resets: resets_.Resets,
    ) -> None:
        self._folder = place
        self._tree = tree
        self._devices = devices
        self._held = held
        self._mdevs = mdevs
        self._resets = resets

    def reset(self, address: str) -> None:
        """Do what a write to ``reset`` does, whoever has the function open.

        :raises OSError: ENOTTY where the function has no way of its own and
            is not alone on its bus
        :raises InUse: while it hangs
        """
        device = self._devices[address]
        self._resets.check_may_reset(device, self._devices.values())
        self._reset([device])

    def reset_bus(self, addresses: Collection[str]) -> None:
        """Do what VFIO's hot reset does for who opens these functions' groups.

        :raises OSError: ENOENT without a node of a group, EPERM when one of
            these has a function with another driver (as Linux 6.12 was seen
            to answer), EBUSY when a guest has one open, EINVAL when a
            function of another group is on the bus
        :raises InUse: while it hangs
        """
        devices = [self._with_node(address) for address in addresses]
        groups = {d.group for d in devices}
        for other in self._devices.values():
            address = other.function.address
            if other.group not in groups:
                continue
            if not _leaves_dma(other):
                raise refusal(errno.EPERM, f'{address} is not with VFIO')
            if address in self._held:
                raise refusal(errno.EBUSY, f'a guest has {address}')
        bus = resets_.on_the_bus(devices[0], self._devices.values())
        for other in bus:
            address = other.function.address
            if other.group not in groups:
                raise refusal(errno.EINVAL, f'{address} is on the bus, too')
        if devices[0].function.behind is None:
            raise refusal(errno.EINVAL, 'a root bus is not reset')
        self._reset(bus)

    def _with_node(self, address: str) -> device_.Device:
        device = self._devices.get(address)
        if device is None or not any(
            d.group == device.group and d.driver in matching.VFIO
            for d in self._devices.values()
        ):
            raise refusal(errno.ENOENT, f'VFIO has no node for {address}')
        return device

    def _reset(self, devices: Iterable[device_.Device]) -> None:
        """Reset functions, and with a PF its VFs."""
        functions = [
            address
            for device in devices
            for address in (device.function.address, *device.vfs)
        ]
        if self._resets.check_health(functions):
            raise device_.InUse(functions[0])
        opened = {
            address
            for address in functions
            if {address, *self._mdevs.of(self._devices[address].function)}
            & {*self._held}
        }
        self._resets.reset(functions, opened)
        for address in functions:
            illness = self._resets.illnesses.get(address)
            for what in illness.breaks if illness else ():
                self._break(address, what)

    def _break(self, address: str, what: str) -> None:
        """Leave a function broken, as a reset may."""
        config = self._devices[address].config
        match what:
            case 'config':
                self.set_config(address, b'\xff' * len(config))
            case 'bars':
                self.set_config(address, config_space.without_bars(config))
            case 'capabilities':
                cut = config_space.without_capabilities(config)
                self.set_config(address, cut)
            case 'error':
                self._count_error(address)

    def _count_error(self, address: str) -> None:
        """Count an error of PCI Express, where the function counts them."""
        path = f'{self._place(address)}/aer_dev_nonfatal'
        place = self._folder.root / path
        if place.exists():
            head, _, count = place.read_text().rstrip().rpartition(' ')
            self._folder.file(path, f'{head} {int(count) + 1}\n', 0o444)

    def set_config(self, address: str, config: bytes) -> None:
        """Let a function have another configuration space."""
        self._devices[address].config = config
        path = f'{self._place(address)}/config'
        self._folder.change(path, config[: config_space.HEADER])

    def repair_config(self, address: str) -> None:
        """Let a function have the configuration space that it had at first.

        So has one whose file was broken.
        """
        self._folder.frozen.discard(f'{self._place(address)}/config')
        function = self._devices[address].function
        self.set_config(address, self._tree.config(function))

    def _place(self, address: str) -> str:
        return self._tree.place(self._devices[address].function)


def _leaves_dma(device: device_.Device) -> bool:
    """Tell whether a function leaves its group to a guest: ports do."""
    return (
        device.driver is None
        or device.driver in matching.VFIO
        or device.function.is_bridge
    )
