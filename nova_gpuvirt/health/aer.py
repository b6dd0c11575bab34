"""What PCI Express's Advanced Error Reporting has counted of a function.

The counters are those of the kernel's
Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import sysfs as sysfs_

# The last line of aer_dev_fatal and aer_dev_nonfatal.
_TOTAL = re.compile(r'^TOTAL_ERR_(?:FATAL|NONFATAL) (\d{1,19})$', re.M)
_FILES = {'aer_dev_fatal': True, 'aer_dev_nonfatal': False}


@dataclasses.dataclass(frozen=True, slots=True)
class Counter:
    """What names a counter.

    :ivar of: whose it is, ``it`` or ``its port 0000:00:01.0``
    """

    of: str
    is_fatal: bool


def read(
    sysfs: sysfs_.Sysfs, address: model.PciAddress, above: Sequence[str]
) -> dict[Counter, int]:
    """Read the counters of a function and of the port above it.

    The port may count what the function does not: "errors may be seen by the
    link partner and not the problematic endpoint". What can't be read is left
    out.

    :param above: the way to the function, as `PciFunction` has it
    """
    counts = dict(_counters(sysfs, 'it', address))
    try:
        port = model.PciAddress.parse(above[-1])
    except (IndexError, ValueError):  # a root bus is right above it
        return counts
    return counts | dict(_counters(sysfs, f'its port {port}', port))


def _counters(
    sysfs: sysfs_.Sysfs, of: str, address: model.PciAddress
) -> Iterator[tuple[Counter, int]]:
    for name, is_fatal in _FILES.items():
        try:
            text = sysfs.read_if_there(address, name) or ''
        except exception.SysfsError:
            continue
        match = _TOTAL.search(text)
        if match is not None:
            yield Counter(of, is_fatal), int(match[1])
