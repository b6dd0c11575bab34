"""Hosts to be checked: simulated ones, and files of a folder."""

import pathlib

import fixtures

from nova_gpuvirt.checks import lines
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import subject
from nova_gpuvirt.host import files
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import described_libvirt
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated


class Checked(fixtures.Fixture):
    """A simulated host, as `subject`, and as `host` below `root`.

    :param start: starts it in a folder
    """

    def __init__(self, start):
        self._start = start

    def _setUp(self):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        self.root = pathlib.Path(self.useFixture(folder).path)
        self.host = self._start(self.root)
        power = root_.Root(self.host)
        self.machine = machine.Machine(
            sysfs.Sysfs(self.root, power),
            pciids.PciIds([self.root]),
            described_libvirt.DescribedLibvirt(self.host.description),
            power.run,
        )

    @property
    def subject(self):
        """The host as it is now."""
        conf = nova_conf.load(files.OnDisk(self.root))
        return subject.of(self.machine, conf)

    def told(self):
        """What each line finds now, by name."""
        told = {}
        for name, found in lines.ask_all(self.subject):
            told.setdefault(name, []).append(found)
        return told


class Folder(fixtures.Fixture):
    """A folder with these files, as `files`.

    :param texts: by path
    """

    def __init__(self, texts):
        self._texts = texts

    def _setUp(self):
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for path, text in self._texts.items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.files = files.OnDisk(self.root)
