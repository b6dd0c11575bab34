"""What a start of the host leaves of its cards, where nothing prepares them.

Sources: NVIDIA's MIG user guide (MIG mode is kept on Ampere, in the card
itself, and lost on Hopper and newer; GPU instances are lost on all) and its
vGPU guide, 2.10.2 (VFs) and 2.11 (mixed sizes); the kernel's
drivers/pci/iov.c (no PF has VFs that nobody asked for). AMD's drivers make VFs
when they are loaded, as the configuration of their module says, and start in
the mode that is the first for that number of VFs (`gim`). Intel's drivers have
no quotas then.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_card
from nova_gpuvirt.simulation.drivers import pf_driver


def of(function: description.Function) -> description.Function:
    """Describe a function as it is after such a start."""
    driver, vfs, made = function.pf_driver, function.vfs, function.mdev
    if vfs is not None and not (driver and driver.makes_vfs):
        vfs = dataclasses.replace(vfs, enabled=0)
    if driver is not None:
        driver = driver.at_load(vfs.enabled if vfs else 0)
    if made is not None:
        made = made.shared(nvidia.EqualSize())
    return dataclasses.replace(function, pf_driver=driver, vfs=vfs, mdev=made)


class Kept:
    """What cards keep themselves over a start: MIG mode, on Ampere."""

    def __init__(self) -> None:
        self._mig: dict[str, bool] = {}

    def note(self, address: str, running: pf_driver.Running | None) -> None:
        """Note what a card keeps that a driver has."""
        if isinstance(running, nvidia_card.Running) and running.card.keeps_mig:
            self._mig[address] = running.pending

    def forget(self, address: str) -> None:
        """Forget a card that another one replaces."""
        self._mig.pop(address, None)

    def of(self, function: description.Function) -> description.Function:
        """Describe a card with what it has kept, without GPU instances."""
        driver = function.pf_driver
        if (
            not self._mig.get(function.address)
            or not isinstance(driver, nvidia_card.NvidiaCard)
            or isinstance(driver.memory, nvidia.GpuInstances)
        ):
            return function
        kept = dataclasses.replace(driver, memory=nvidia.GpuInstances())
        return dataclasses.replace(function, pf_driver=kept)
