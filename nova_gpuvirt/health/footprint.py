"""How a PCI function is built, to be compared before and after a guest.

One is of one start of the host: at the next the firmware may give BARs other
addresses, and another driver may take the function.
"""

from __future__ import annotations

import re

from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.host import config_space
from nova_gpuvirt.host import sysfs as sysfs_

_IDS = re.compile('ids=([0-9a-f]{4}):([0-9a-f]{4}) ')


def read(sysfs: sysfs_.Sysfs, function: model.PciAddress) -> str | None:
    """Read it, as `config_space` prints it.

    :returns: None where the function does not answer, or can't be read
    """
    raw = sysfs.config_space(function)
    if raw is None or config_space.is_all_ones(raw):
        return None
    try:
        return config_space.text(config_space.parse(raw))
    except ValueError:
        return None


def differences(before: str, now: str) -> tuple[str, ...]:
    """Tell in words what is not as before.

    What was remembered and makes no sense is not compared.
    """
    try:
        return config_space.differences(before, now)
    except ValueError:
        return ()


def is_another(before: str, ids: model.Ids) -> bool:
    """Tell whether another card is there than before. Pure.

    :param before: what `read` returned; a VF's has no ids of its own
    :param ids: those that the kernel read when it found the card. What the
        device itself answers now may be a guest's work, or a failed reset's
    """
    match = _IDS.match(before)
    if match is None:
        return False
    vendor, device = (int(number, 16) for number in match.groups())
    return vendor != model.NO_VENDOR and (vendor, device) != ids


def is_of_another_boot(dirty: record.Dirty, boot: str | None) -> bool:
    """Tell whether functions were read before the host's last start.

    Where either is not known they are compared: it is on the safe side.

    :param boot: which start it is now
    """
    return None not in (dirty.boot, boot) and dirty.boot != boot
