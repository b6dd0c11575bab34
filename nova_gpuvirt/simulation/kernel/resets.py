"""Whether a function is as after power-on when a guest has closed it.

Sources: the kernel's drivers/pci/pci.c, and drivers/vfio/pci/vfio_pci_core.c
(``vfio_pci_core_disable``, ``vfio_pci_dev_set_try_reset``): VFIO resets a
function that has a reset of its own. Else it resets the bus, once all that is
on it is with VFIO and closed. ``bus`` in a function's ``reset_method`` is
refused at the time of the reset while there are others on the bus.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt.simulation.kernel import device as device_
from nova_gpuvirt.simulation.kernel import matching

_OF_THE_BUS = 'bus'


class Resets:
    """The functions that a guest had and that were not reset since."""

    def __init__(self) -> None:
        self.unclean: set[str] = set()

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
        if {*(function.reset_method or '').split()} - {_OF_THE_BUS}:
            self.unclean.discard(function.address)
        elif function.behind is not None:
            bus = [d for d in devices if d.function.bus == function.bus]
            if all(
                d.driver in matching.VFIO and d.function.address not in held
                for d in bus
            ):
                self.unclean -= {d.function.address for d in bus}
