"""Which driver gets a function, and whether its probe takes it.

Sources: the kernel's drivers/pci/pci-driver.c (ids, override) and
drivers/vfio/pci/vfio_pci_core.c. Users have reported that
the probe of vfio-pci fails with EINVAL for a VF that NVIDIA's driver offers
through VFIO itself; why, is unknown.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import device as device_

# The second knows how to migrate VFs of xe, and is had by override alone.
VFIO = frozenset({'vfio-pci', 'xe-vfio-pci'})

PciId = tuple[int, ...]
"""What ``new_id`` takes: vendor, device, and their subsystem if told."""


class Matching:
    """The ids that the drivers of a host have, and what they refuse.

    :param drivers: those that are loaded
    """

    def __init__(
        self, host: description.Host, drivers: Collection[str]
    ) -> None:
        self._host = host
        self._drivers = drivers
        self._dynamic_ids: dict[str, set[PciId]] = {}

    def add_id(self, driver: str, pci_id: PciId) -> None:
        """Give a driver an id.

        :raises OSError: EEXIST when the driver has it
        """
        known = self._dynamic_ids.setdefault(driver, set())
        own = (f for f in self._host.functions if f.driver == driver)
        if pci_id in known or any(_has_id(f, pci_id) for f in own):
            raise refusal(errno.EEXIST, f'{driver} has {pci_id}')
        known.add(pci_id)

    def remove_id(self, driver: str, pci_id: PciId) -> None:
        """Take a dynamic id from a driver.

        :raises OSError: ENODEV when the driver does not have it
        """
        known = self._dynamic_ids.get(driver, set())
        if pci_id not in known:
            raise refusal(errno.ENODEV, f'{driver} does not have {pci_id}')
        known.remove(pci_id)

    def matches(self, driver: str, device: device_.Device) -> bool:
        """Decide as the kernel's pci_match_device does."""
        if device.override:
            return device.override == driver
        return driver == device.function.driver or any(
            _has_id(device.function, pci_id)
            for pci_id in self._dynamic_ids.get(driver, ())
        )

    def candidates(self, device: device_.Device) -> Iterator[str]:
        """Give the drivers that match, the function's own before others."""
        own = device.function.driver
        for driver in sorted(self._drivers, key=lambda d: d != own):
            if self.matches(driver, device):
                yield driver


def refused(
    driver: str, device: device_.Device, pf: device_.Device | None
) -> OSError | None:
    """Say why a driver's probe fails, if it does."""
    if pf and not pf.autoprobe and not device.override:
        why = 'sriov_drivers_autoprobe of the PF is 0'
        return refusal(errno.ENODEV, why)
    bridge = device.function.is_bridge
    if driver in VFIO and (bridge or device.group is None):
        why = 'a bridge, or a function without an IOMMU group'
        return refusal(errno.EINVAL, why)
    if driver in VFIO and device.function.vfio:
        return refusal(errno.EINVAL, 'its own driver offers it through VFIO')
    return None


def _has_id(function: description.Function, pci_id: PciId) -> bool:
    numbers = (function.vendor, function.device, *function.subsystem)
    return pci_id == numbers[: len(pci_id)]
