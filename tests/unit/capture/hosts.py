"""Simulated hosts, to be captured."""

import dataclasses
import pathlib

import fixtures

from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated


class Started(fixtures.Fixture):
    """A simulated host: `host`, below `root`, and as a `machine`."""

    def __init__(self, kind, **changes):
        self._description = dataclasses.replace(hosts.HOSTS[kind](), **changes)

    def _setUp(self):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        self.root = pathlib.Path(self.useFixture(folder).path)
        self.host = simulated.SimulatedHost(self._description, self.root)
        power = root_.Root(self.host)
        self.machine = machine.Machine(
            sysfs.Sysfs(self.root, power),
            pciids.PciIds([self.root]),
            hypervisor.Absent(),
            power.run,
        )
