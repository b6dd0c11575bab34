"""The GPU instances that one of NVIDIA's cards can have.

Source: NVIDIA's MIG user guide, and users, for what ``nvidia-smi mig -lgip``
prints.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from nova_gpuvirt import model
from nova_gpuvirt.host import commands

_ROW = re.compile(r'^\|\s*\d+\s+MIG .*', re.M)
# |   0  MIG 1g.10gb           19     7/7        9.75       No     16     1 ...
_PROFILE = re.compile(
    r'MIG (?P<name>\S+(?: \S+)?)\s+(?P<number>[0-9]{1,9})\s+'
    r'[0-9]{1,9}/(?P<most>[0-9]{1,9})\s'
)


@dataclasses.dataclass(frozen=True, slots=True)
class GiProfile:
    """A profile, its id, and how many of it an empty card has room for."""

    name: str
    number: int
    most: int


def read(
    ask: Callable[[model.PciAddress], str], address: model.PciAddress
) -> tuple[GiProfile, ...]:
    """List the profiles of a card; none where it does not tell.

    :param ask: lists them as ``nvidia-smi mig -lgip`` does, as root
    :raises CommandHangs: when the command does not end
    """
    try:
        return parse(ask(address))
    except commands.CommandHangs:
        raise
    except commands.CommandFailed:
        return ()


def parse(text: str) -> tuple[GiProfile, ...]:
    """Read ``nvidia-smi mig -lgip``; none where a row is not understood."""
    found = [_PROFILE.search(row) for row in _ROW.findall(text)]
    known = [match for match in found if match is not None]
    if len(known) < len(found):
        return ()
    return tuple(
        GiProfile(m['name'], int(m['number']), int(m['most'])) for m in known
    )
