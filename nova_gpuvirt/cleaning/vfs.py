"""The VFs of a card that is taken from its driver, to be reset whole.

They go with the driver. A unit of the operator's may have made them, which
runs when the host starts and not again: so as many are made when the driver
has the card again. A guest that had the card whole had none of them.

Their number alone is remembered, in the card's record and before the card is
taken: so it counts over a kill of nova-compute. At the next start of the host
that unit has made them, or not.
"""

from __future__ import annotations

import logging

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.health import record
from nova_gpuvirt.host import bounded
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.layout import steps
from nova_gpuvirt.layout import users

LOG = logging.getLogger(__name__)

# How long a driver may take to make VFs: NVIDIA's script has its own limit,
# which is shorter.
_SECONDS = root_changes.SECONDS + 60


def check_unused(machine: machine_.Machine, card: model.PciAddress) -> None:
    """Make sure that nobody has a VF of a card.

    :raises ReleaseFailed: when one has, or that can't be known
    """
    try:
        user = users.of_vfs(machine, card)
    except Exception as error:  # libvirt's own among them
        user = f'no answer who has its VFs: {error}'
    if user is not None:
        raise exception.ReleaseFailed(
            str(card),
            wanted='to reset it for the next guest, which ends its VFs',
            found=user,
            remedy='it is reset when that has ended',
        )


def note(
    machine: machine_.Machine,
    dirt: dirt_.Dirt,
    card: model.PciAddress,
    dirty: record.Dirty,
) -> int:
    """Remember how many VFs a card has, before it is taken from its driver.

    A card without any may be one that an earlier try has taken them from.

    :returns: how many it has to have after it
    :raises InvalidRecord: when it can't be remembered
    :raises Locked: when another one holds the records for long
    """
    boot = kernel.boot_id(machine.sysfs.root)
    count = len(machine.sysfs.virtfns(card))
    if count:
        dirt.note_vfs(card, dirty, record.Vfs(count, boot))
        return count
    noted = dirty.vfs
    if noted is None or (
        None not in (noted.boot, boot) and noted.boot != boot
    ):
        return 0
    return noted.count


def make_again(
    machine: machine_.Machine, card: model.PciAddress, count: int
) -> None:
    """Let a card's driver make so many VFs, where it has fewer.

    NVIDIA's makes all that the card can have.

    :raises CleanFailed: when they are not there then
    """
    if len(machine.sysfs.virtfns(card)) >= count:
        return
    rootly = machine.sysfs.rootly
    assert rootly is not None  # who has reset it
    step = steps.making(machine.sysfs.link(card, 'driver'), count)
    try:
        bounded.in_time(lambda: step.take(rootly, str(card)), _SECONDS)
    except (OSError, commands.CommandFailed) as error:
        raise _failed(card, count, f'that {error}') from error
    found = len(machine.sysfs.virtfns(card))
    if found < count:
        raise _failed(card, count, f'{found} of them')
    LOG.info('%s has %d VFs again, as before it was reset', card, found)


def _failed(
    card: model.PciAddress, count: int, found: str
) -> exception.CleanFailed:
    return exception.CleanFailed(
        str(card),
        wanted=f'its {count} VFs again, which it had before it was reset',
        found=found,
        remedy="see the kernel's log; make them in your own way, and run "
        f'`nova-gpuvirt release --clean {card}`: the card itself is reset, '
        'and was found well',
    )
