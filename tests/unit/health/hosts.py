"""A simulated host whose cards are watched."""

import pathlib
from collections import Counter

import fixtures

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.health import watch
from nova_gpuvirt.host import answers
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation import simulated


class Watched(fixtures.Fixture):
    """A host, and the looks at its cards.

    :ivar asked: how often each command was run
    """

    def __init__(self, name, sick_after=2, well_after=3):
        self._name = name
        self._counts = sick_after, well_after

    def _setUp(self):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        self.host = hosts.simulated(self._name, root)
        self.power = root_.Root(self.host)
        self.asked = Counter()
        self.now = 0.0
        self.machine = machine.Machine(
            sysfs.Sysfs(root, self.power),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            self._run,
            answers=answers.Answers(lambda: self.now),
        )
        every = operator_filter.OperatorFilter()
        self.gpus = gpus.Gpus(self.machine, every)
        self.watch = watch.Watch(self.machine, *self._counts)

    def look(self, times=1):
        """Look so many times, as before a periodic update each.

        :returns: the signs of the cards that are sick then
        """
        for _ in range(times):
            self.watch.look(self.gpus.survey(refresh=True).gpus)
        return {
            str(device): [str(sign.name) for sign in signs]
            for device, signs in self.watch.sick.items()
        }

    def wait(self):
        """Let so much time pass that answers are not fresh any more."""
        self.now += 601

    def sickness(self, address):
        """Give the ways in which a card can fall sick."""
        return sickness.Sickness(self.host, address)

    def _run(self, argv):
        self.asked[' '.join(argv)] += 1
        return self.power.run(argv)
