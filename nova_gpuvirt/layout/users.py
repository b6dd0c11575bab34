"""Who has a card, so that nothing of it may be changed.

A stopped server has its card too: Nova has its claim, and libvirt its domain.
What it claimed lives in what the card was made to be (`in_force`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import processes
from nova_gpuvirt.vendors import nvidia_vfs


def of(
    machine: machine_.Machine,
    address: model.PciAddress,
    servers: Collection[str] = (),
    *,
    with_sessions: bool = False,
) -> str | None:
    """Tell who has a card, or a part of it, just now.

    What a stopped server has claimed is for the caller to know.

    :param servers: UUIDs of those whose guests count only while they run
    :param with_sessions: whether guests draw with the card, so that a process
        that has it open may be theirs
    :returns: None for nobody
    :raises StepFailed: when a process of the host has it open
    :raises SysfsError: when the card can't be read
    :raises OSError: when the processes of the host can't be seen
    :raises Exception: libvirt's, when it does not answer
    """
    functions = (address, *machine.sysfs.virtfns(address))
    return (
        _made(machine, functions, servers)
        or _with_vfio(machine, functions)
        or _with_card(machine, address, with_sessions)
    )


def of_vfs(machine: machine_.Machine, card: model.PciAddress) -> str | None:
    """Tell who has a VF of a card, or a vGPU on one, also a stopped guest.

    Where the processes can't be seen libvirt's word is enough.

    :returns: None for nobody
    :raises OSError: when that can't be asked
    :raises ReleaseFailed: when libvirt does not answer
    :raises Exception: libvirt's, when it does not answer
    """
    vfs = machine.sysfs.virtfns(card)
    user = _made(machine, vfs, ())
    for vf in vfs if user is None else ():
        try:
            opener = machine.opener(vf, ours=True)
        except FileNotFoundError:  # it has no node of VFIO to be opened
            continue
        if opener is not None:
            return f'{opener} has {vf}'
    return user


def remembered(
    records: records_.Records | None, device: model.Device
) -> str | None:
    """Tell who has a card, or had it, by what is remembered of it.

    A server's part of a card stands there from before it has it and until it
    is clean again. nova-compute alone can tell the two apart.

    :param records: of the host of the card, None where nothing is remembered
    :returns: None for nobody
    :raises InvalidRecord: when that can't be known
    """
    if records is None or not isinstance(device, model.PciAddress):
        return None
    found = records.read().get(device, record_.NOTHING)
    if isinstance(found, exception.InvalidRecord):
        raise found
    if not found.dirty:
        return None
    dirty = min(found.dirty, key=lambda one: one.slot)
    why = f' ({dirty.failed})' if dirty.failed else ''
    return (
        f'the server {dirty.instance} has {dirty.slot}, or had it and it is '
        f'not clean yet{why}, which nova-compute knows'
    )


def _made(
    machine: machine_.Machine,
    functions: Collection[model.PciAddress],
    servers: Collection[str],
) -> str | None:
    mdevs: set[uuid.UUID] = set()
    for function in functions:
        mdevs |= {uuid.UUID(m) for m in machine.sysfs.mdevs.of(function)}
        if nvidia_vfs.exists(machine.sysfs, function):
            made = nvidia_vfs.current(machine.sysfs, function)
            if made:
                return f'{function} is a vGPU of type {made}'
    domain = machine.hypervisor.domain_with({*functions, *mdevs}, servers)
    if domain is not None:
        return f'the domain {domain} of libvirt has it'
    return f'the vGPU {min(mdevs)} of it exists' if mdevs else None


def _with_vfio(
    machine: machine_.Machine, functions: Collection[model.PciAddress]
) -> str | None:
    for function in functions:
        try:
            pids = machine.sysfs.openers(function)
        except FileNotFoundError:  # it has no node of VFIO to be opened
            continue
        if pids:
            return f'process {pids[0]} has {function}'
    return None


def _with_card(
    machine: machine_.Machine, card: model.PciAddress, with_sessions: bool
) -> str | None:
    """Tell which process has a card open, where it may be a guest's.

    Another one need not end: so nothing waits for it.

    :raises StepFailed: when one has, or can't be seen
    """
    openers = machine.sysfs.card_openers([card])[card]
    if openers is None:
        found = 'that it can not be seen whether a process has it open'
        remedy = processes.WHAT_TO_SET
    else:
        others = [opener for opener in openers if not opener.is_own]
        if not others:
            return None
        if with_sessions:
            return f'{others[0]} has it open, as guests that draw with it do'
        found = f'that {others[0]} of the host has it open'
        remedy = 'end it, or keep it from the card'
    raise exception.StepFailed(
        str(card),
        wanted='to make it what the layout says',
        found=found,
        remedy=remedy,
    )
