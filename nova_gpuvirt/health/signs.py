"""What says that a card is unfit for another guest.

A sign is told from what was read of a card, and from what the kernel said of
it. What each means, and what its operator does, is in
``doc/source/admin/health_signs.rst``.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt.health import aer
from nova_gpuvirt.vendors import nvidia_health

_LONGEST = 200  # characters of what others have said


class Name(enum.StrEnum):
    """The kinds of signs."""

    GONE = 'gone'
    ALL_ONES = 'all-ones'
    FATAL_ERROR = 'fatal-error'
    ERROR = 'error'
    NO_NODE = 'no-node'
    RESET_FAILED = 'reset-failed'
    NOT_CLEANED = 'not-cleaned'
    POWER = 'power'
    XID = 'xid'
    RAS = 'ras'
    WEDGED = 'wedged'
    LOST = 'lost'
    RECOVERY = 'recovery'
    REMAPPING = 'remapping'
    FABRIC = 'fabric'


@dataclasses.dataclass(frozen=True, slots=True)
class Sign:
    """One sign of a card.

    :ivar text: what was seen, in words that go on after the card's address
    :ivar is_grave: whether seeing it once is enough
    """

    name: Name
    text: str
    is_grave: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a card at one time.

    :ivar is_there: whether the kernel has its function
    :ivar all_ones: whether it answers with nothing but ones, None where that
        is not known
    :ivar errors: what was counted since the kernel found it
    :ivar without_node: functions that VFIO's driver has, without a node
    :ivar vendor: what its vendor's command says, None where it does not answer
    """

    is_there: bool = True
    all_ones: bool | None = None
    errors: Mapping[aer.Counter, int] = dataclasses.field(default_factory=dict)
    without_node: tuple[str, ...] = ()
    vendor: nvidia_health.Health | None = None


def of(now: Reading, before: Reading | None = None) -> tuple[Sign, ...]:
    """Tell the signs of a reading.

    :param before: the last one, without which no counter has risen
    """
    if not now.is_there:
        text = 'it was there and is gone: it left the bus, or was taken out'
        return (Sign(Name.GONE, text, is_grave=True),)
    return tuple(_of(now, before or Reading()))


def _of(now: Reading, before: Reading) -> Iterator[Sign]:
    if now.all_ones:
        text = 'it answers with nothing but ones: it has fallen off the bus'
        yield Sign(Name.ALL_ONES, text, is_grave=True)
    for counter, count in now.errors.items():
        # One that is less than it was began anew, with the function.
        more = count - before.errors.get(counter, count)
        if more > 0:
            kind = 'fatal' if counter.is_fatal else 'uncorrectable'
            yield Sign(
                Name.FATAL_ERROR if counter.is_fatal else Name.ERROR,
                f'{counter.of} counted {more} more {kind} PCIe errors',
                is_grave=counter.is_fatal,
            )
    if now.without_node:
        text = f'{", ".join(now.without_node)} has no node in /dev/vfio'
        yield Sign(Name.NO_NODE, text, is_grave=False)
    if now.vendor is not None:
        yield from _of_nvidia(now.vendor)


def _of_nvidia(said: nvidia_health.Health) -> Iterator[Sign]:
    if said.lost is not None:
        yield Sign(Name.LOST, f'nvidia-smi says "{said.lost}"', is_grave=True)
    if said.recovery is not None:
        text = f'nvidia-smi wants an action: {printable(said.recovery)}'
        yield Sign(Name.RECOVERY, text, is_grave=True)
    if said.remapping_failed:
        text = 'rows of its memory could not be remapped'
        yield Sign(Name.REMAPPING, text, is_grave=True)
    if said.fabric is not None:
        text = f'its NVLink fabric is {printable(said.fabric)}'
        yield Sign(Name.FABRIC, text, is_grave=False)


def printable(text: str) -> str:
    """Make a text of others fit for a line of a log."""
    shown = text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'
    return ''.join(c if c.isprintable() else '?' for c in shown)
