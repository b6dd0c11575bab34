"""What resets a function, and whether it is as after power-on.

Sources: the kernel's drivers/pci/pci-sysfs.c (``reset_store``), drivers/pci/
pci.c (``__pci_reset_function_locked``, ``pci_parent_bus_reset``), and
drivers/vfio/pci/vfio_pci_core.c (``vfio_pci_core_disable``,
``vfio_pci_dev_set_try_reset``, ``vfio_pci_dev_set_hot_reset``): when it is
closed VFIO resets a function that has a reset of its own. Else it resets the
bus, once all that is on it is with VFIO and closed. ``bus`` in a function's
``reset_method`` is refused at the time of the reset while there are others on
the bus. With a PF its VFs are reset (PCI Express Base Specification,
"SR-IOV").
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt.simulation.files.refusal import refusal
from nova_gpuvirt.simulation.kernel import device as device_
from nova_gpuvirt.simulation.kernel import matching

_OF_THE_BUS = 'bus'


@dataclasses.dataclass(slots=True)
class Illness:
    """What goes wrong with the resets of a function.

    :ivar number: the errno of each reset
    :ivar hangs: whether the kernel waits for it
    :ivar breaks: what a reset leaves broken, by the words of `Sickness`
    :ivar loses_driver: whether no reset function lets its driver probe it
    """

    number: int | None = None
    hangs: bool = False
    breaks: set[str] = dataclasses.field(default_factory=set)
    loses_driver: bool = False


class Resets:
    """The functions that a guest had and that were not reset since.

    :ivar unclean: these
    :ivar under_guests: the functions that were reset while they were open
    :ivar kept: those that VFIO does not reset when they are closed
    :ivar illnesses: what goes wrong with resets, by function
    :ivar without_driver: the functions that their driver can't probe
    """

    def __init__(self) -> None:
        self.unclean: set[str] = set()
        self.under_guests: list[str] = []
        self.kept: set[str] = set()
        self.illnesses: dict[str, Illness] = {}
        self.without_driver: set[str] = set()

    def closed(
        self,
        device: device_.Device,
        devices: Iterable[device_.Device],
        held: Collection[str],
    ) -> None:
        """Take note that a guest has closed a function of VFIO.

        :param devices: those of the host
        :param held: what is still open
        """
        function = device.function
        self.unclean.add(function.address)
        if has_its_own(device):
            self._clean([device])
        elif function.behind is not None:
            bus = on_the_bus(device, devices)
            if all(
                d.driver in matching.VFIO and d.function.address not in held
                for d in bus
            ):
                self._clean(bus)

    def check_may_reset(
        self, device: device_.Device, devices: Iterable[device_.Device]
    ) -> None:
        """Refuse what a write to a function's ``reset`` is refused.

        :raises OSError: ENOTTY where no way is left
        """
        if has_its_own(device):
            return
        address = device.function.address
        if device.function.reset_method is None:
            raise refusal(errno.ENOTTY, f'{address} has no reset')
        if device.function.behind is None:
            raise refusal(errno.ENOTTY, f'{address} is on a root bus')
        if len(on_the_bus(device, devices)) > 1:
            raise refusal(errno.ENOTTY, f'{address} has others on its bus')

    def check_health(self, functions: Iterable[str]) -> bool:
        """Let resets fail that are to.

        :returns: whether the kernel waits for one of the functions
        :raises OSError: what was asked for
        """
        hangs = False
        for address in functions:
            illness = self.illnesses.get(address)
            if illness is None:
                continue
            if illness.number is not None:
                why = f'{address} is sick'
                raise refusal(illness.number, why)
            hangs |= illness.hangs
        return hangs

    def reset(self, functions: Collection[str], held: Collection[str]) -> None:
        """Take note that functions were reset, of which some may be open."""
        self.unclean -= {*functions}
        self.under_guests += sorted({*functions} & {*held})
        for address in functions:
            illness = self.illnesses.get(address)
            if illness is not None and illness.loses_driver:
                self.without_driver.add(address)

    def heal(self, address: str) -> None:
        """Let nothing go wrong with a function any more."""
        self.illnesses.pop(address, None)
        self.without_driver.discard(address)

    def _clean(self, devices: Iterable[device_.Device]) -> None:
        self.unclean -= {d.function.address for d in devices} - self.kept


def has_its_own(device: device_.Device) -> bool:
    """Tell whether a function can be reset without its bus."""
    methods = (device.function.reset_method or '').split()
    return bool({*methods} - {_OF_THE_BUS})


def on_the_bus(
    device: device_.Device, devices: Iterable[device_.Device]
) -> list[device_.Device]:
    """List the functions of a function's bus, itself too."""
    return [d for d in devices if d.function.bus == device.function.bus]
