"""Name PCI devices with the host's own pci.ids.

The file's format is told in its head: a vendor's line is ``VVVV  name``, its
devices follow, each indented by one tab.
"""

from __future__ import annotations

import logging
import pathlib
import re
from collections.abc import Iterable

LOG = logging.getLogger(__name__)

# A longer name is none: what shortens one looks at each blank of it.
_LINE = re.compile(
    r'(?P<tab>\t?)(?P<number>[0-9a-f]{4})  (?P<name>.{0,254}\S)'
)
_PLACES = ('usr/share/hwdata/pci.ids', 'usr/share/misc/pci.ids')
_COMPANY = re.compile(
    r',? *\b(Corporation|Corp|Incorporated|Inc|Limited|Ltd|Co)\b\.?'
)


class PciIds:
    """The names in the first pci.ids that is found below one of the roots."""

    def __init__(self, roots: Iterable[pathlib.Path]) -> None:
        self._vendors: dict[int, str] = {}
        self._devices: dict[tuple[int, int], str] = {}
        places = (root / place for root in roots for place in _PLACES)
        path = next((p for p in places if p.is_file()), None)
        if path is None:
            return
        try:
            self._load(path.read_text(errors='replace'))
        except OSError as error:
            LOG.warning('GPUs have numbers for names: %s', error)

    @classmethod
    def parse(cls, text: str) -> PciIds:
        """Read the names in the text of a pci.ids."""
        names = cls(())
        names._load(text)
        return names

    def extract(self, ids: Iterable[tuple[int, int | None]]) -> str:
        """Print the lines of some vendors and devices, as far as they are.

        :param ids: vendors, each with one of its devices or with None
        """
        lines = []
        vendors: dict[int, set[int]] = {}
        for vendor, device in ids:
            vendors.setdefault(vendor, set()).update(
                () if device is None else (device,)
            )
        for vendor, devices in sorted(vendors.items()):
            if vendor in self._vendors:
                lines.append(f'{vendor:04x}  {self._vendors[vendor]}\n')
            lines += (
                f'\t{device:04x}  {self._devices[vendor, device]}\n'
                for device in sorted(devices)
                if (vendor, device) in self._devices
            )
        return ''.join(lines)

    def _load(self, text: str) -> None:
        vendor = 0
        for line in text.splitlines():
            if line.startswith('C '):  # the classes end the devices
                break
            match = _LINE.fullmatch(line)
            if match is None:
                continue
            number = int(match['number'], 16)
            if match['tab']:
                self._devices[vendor, number] = match['name']
            else:
                vendor = number
                self._vendors[vendor] = match['name']

    def vendor(self, vendor_id: int) -> str:
        """Name a vendor in short, by its number where it has no name.

        ``Advanced Micro Devices, Inc. [AMD/ATI]`` is ``AMD``, and
        ``NVIDIA Corporation`` is ``NVIDIA``.
        """
        name = self._vendors.get(vendor_id)
        if name is None:
            return f'{vendor_id:04x}'
        bracketed = _bracketed(name)
        if bracketed:
            return bracketed.split('/')[0]
        return _COMPANY.sub('', name).strip() or name

    def device(self, vendor_id: int, device_id: int) -> str:
        """Name a model as it is sold, by its number where it has no name.

        ``TU104GL [Tesla T4]`` is ``Tesla T4``.
        """
        name = self._devices.get((vendor_id, device_id))
        if name is None:
            return f'{device_id:04x}'
        return _bracketed(name) or name


def _bracketed(name: str) -> str | None:
    match = re.search(r'\[([^\]]+)\]\s*$', name)
    return match[1].strip() if match else None
