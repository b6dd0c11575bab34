"""The vendors' drivers that run on a host, and the files that they show."""

from __future__ import annotations

import dataclasses
import os

from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.files import folder

_Shown = dict[str, pf_driver.File | pf_driver.Link]


@dataclasses.dataclass(slots=True)
class _Entry:
    running: pf_driver.Running
    shown: _Shown = dataclasses.field(default_factory=dict)


class PfDrivers:
    """All vendors' drivers of a host, by the address of their PF."""

    def __init__(self, place: folder.Folder) -> None:
        self._folder = place
        self._entries: dict[str, _Entry] = {}

    def of(self, address: str | None) -> pf_driver.Running | None:
        """Give the driver that has a PF, if one of a vendor has it."""
        entry = self._entries.get(address or '')
        return entry.running if entry else None

    def memory(self, address: str) -> nvidia.Memory | None:
        """Tell how vGPUs share a card of NVIDIA's now, None for another's."""
        running = self.of(address)
        return running.vgpu_memory if running else None

    def start(self, driver: pf_driver.PfDriver, pf: pf_driver.Pf) -> None:
        """Let a driver have a PF."""
        self._entries[pf.address] = _Entry(driver.start(pf))
        self.update(pf.address)

    def quit(self, address: str) -> None:
        """Take a driver's PF away."""
        entry = self._entries.pop(address, None)
        if entry is not None:
            self._show(entry, {})

    def update(self, address: str | None) -> None:
        """Show the files of a PF as they are now."""
        entry = self._entries.get(address or '')
        if entry is not None:
            self._show(entry, {f.path: f for f in entry.running.files()})

    def enabled(self, address: str) -> None:
        """Let the driver of a PF know that it has other VFs than before."""
        entry = self._entries.get(address)
        if entry is not None:
            entry.running.enabled()
            self.update(address)

    def store(self, path: str, text: str) -> None:
        """Do what a write to a driver's file does.

        :raises OSError: what the driver says
        :raises NotImplementedError: when no driver has the file
        """
        for address, entry in self._entries.items():
            if path in entry.shown:
                entry.running.store(path, text)
                self.update(address)
                return
        raise NotImplementedError(f'a write to {path} is not simulated')

    def _show(self, entry: _Entry, files: _Shown) -> None:
        for path in entry.shown.keys() - files.keys():
            self._folder.remove(path)
            self._folder.prune(os.path.dirname(path))
        for path, file in files.items():
            before = entry.shown.get(path)
            if before == file or path in self._folder.frozen:
                continue
            if isinstance(file, pf_driver.Link):
                self._folder.link(path, file.target)
            elif file.text is None:
                self._folder.link_text(path, os.path.basename(path))
            else:
                self._folder.file(path, file.text, file.mode)
        entry.shown = files
