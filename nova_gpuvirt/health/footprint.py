"""How a PCI function is built, to be compared before and after a guest."""

from __future__ import annotations

from nova_gpuvirt import model
from nova_gpuvirt.host import config_space
from nova_gpuvirt.host import sysfs as sysfs_

# What of the text tells one card from another.
_END = ' type='


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


def is_another(before: str, now: str) -> bool:
    """Tell whether a card of another model is there than before."""
    return before.partition(_END)[0] != now.partition(_END)[0]
