"""Whether what stands on the cards is what servers claim of them."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import view as view_
from nova_gpuvirt.cards import exclusion

_By = disagreement.By
_Found = Iterator[disagreement.Disagreement]

STALE = 'vgpu-of-earlier-server'


def leftover(view: view_.View) -> _Found:
    """Find vGPUs of ours that nobody claims and no guest has."""
    assert view.sides.dirt is not None
    dirty = {one.slot for one in view.sides.dirt.entries}
    for gpu, vgpu in _vgpus(view):
        slot = vgpu.slot
        if (
            slot is None
            or view.holders(slot)
            or str(slot) in dirty
            or vgpu.device in view.users
            or _is_anothers(gpu, slot)
        ):
            continue
        yield disagreement.Disagreement(
            'vgpu-without-claim',
            vgpu.device,
            '',
            (('hardware', f'a vGPU in {slot}'), ('Nova', 'claimed by nobody')),
            _By.NOVA_COMPUTE,
            'nova-compute takes it away when nothing has it open; its log '
            'says what has',
        )


def stale(view: view_.View) -> _Found:
    """Find vGPUs of ours in slots that by now another server claims."""
    for _, vgpu in _vgpus(view):
        slot = vgpu.slot
        if slot is None or vgpu.device in view.users:
            continue
        holders = view.holders(slot)
        if not holders or not view.are_settled(holders):
            continue
        if vgpu.device in view.made_for(slot):
            continue
        yield disagreement.Disagreement(
            STALE,
            vgpu.device,
            ' '.join(sorted(holders)),
            (
                ('hardware', f'a vGPU of another server in {slot}'),
                ('Nova', 'claimed by this one'),
            ),
            _By.NOVA_COMPUTE,
            'nova-compute takes it away when nothing has it open',
        )


def _vgpus(view: view_.View) -> Iterator[tuple[model.Gpu, model.Vgpu]]:
    cards = set(view.sides.providers.values())
    for gpu in view.gpus:
        if gpu.address in cards:
            for vgpu in gpu.vgpus:
                yield gpu, vgpu


def _is_anothers(gpu: model.Gpu, slot: model.Slot) -> bool:
    """Tell whether the vGPU of a slot may be somebody else's.

    Nothing tells who made one of a VF: what is not offered is not ours.
    """
    share = gpu.share(slot.kind)
    return slot.index is None and (
        share is None or not share.offered or slot.device in share.excluded
    )


def missing(view: view_.View) -> _Found:
    """Find claims of running guests for which no vGPU is there."""
    for held, part in view.parts():
        guest = view.guest_of.get(held.server)
        gpu = view.gpu_of(part.device)
        if (
            held.is_kept
            or part.kind not in view_.MADE
            or guest is None
            or not guest.runs
            or gpu is None
            or gpu.refusal is not None
            or not view.is_settled(held.server)
        ):
            continue
        wanted = view.devices(held) or frozenset()
        made = {vgpu.device: vgpu.profile for vgpu in gpu.vgpus}
        for device in sorted(wanted):
            found = made.get(device, '')
            if found in (part.profile, None):
                continue
            yield disagreement.Disagreement(
                'claim-without-vgpu',
                device,
                held.server,
                (
                    ('Nova', f'{part} is claimed'),
                    ('hardware', f'it is {found}' if found else 'no vGPU'),
                ),
                _By.OPERATOR,
                f'openstack server reboot --hard {held.server}',
            )


def partition_without_claim(view: view_.View) -> _Found:
    """Find cards that NVSwitches join and nobody claims together."""
    assert view.sides.hardware is not None
    assert view.sides.dirt is not None
    ours = {
        gpu.address
        for gpu in view.gpus
        if (gpu.offered or gpu.in_sets) and exclusion.is_whole(gpu, ())
    }
    claimed = {
        frozenset(part.device for part in slot.wholes)
        for held in view.claims
        if (slot := held.claim.slot) is not None and slot.wholes
    }
    dirty = {one.card for one in view.sides.dirt.entries}
    for cards in view.sides.hardware.active or ():
        names = set(map(str, cards))
        if (
            cards in claimed
            or not cards <= ours
            or names & dirty
            or names & view.users.keys()
        ):
            continue
        yield disagreement.Disagreement(
            'partition-without-claim',
            '+'.join(sorted(names)),
            '',
            (
                ('Fabric Manager', 'a partition that is active'),
                ('Nova', 'claimed by nobody'),
            ),
            _By.NOVA_COMPUTE,
            'nova-compute deactivates it when nothing has a card of it open; '
            'its log says what has',
        )


def driver_not_back(view: view_.View) -> _Found:
    """Find functions that VFIO has kept after a guest."""
    assert view.sides.hardware is not None
    assert view.sides.dirt is not None
    dirty = {one.card for one in view.sides.dirt.entries}
    claimed = {str(part.device) for _, part in view.parts()}
    for function, driver in sorted(view.sides.hardware.kept.items()):
        gpu = view.gpu_of(model.PciAddress.parse(function)) or next(
            (
                g
                for g in view.gpus
                if function in {str(f.address) for f in g.functions}
            ),
            None,
        )
        taken = {function, str(gpu.address) if gpu else function}
        if taken & (dirty | claimed) or function in view.users:
            continue
        nodedev = model.PciAddress.parse(function).nodedev
        yield disagreement.Disagreement(
            'driver-not-back',
            function,
            '',
            (
                ('hardware', 'VFIO has it'),
                ('memory', f'{driver} had it before the last guest'),
                ('Nova', 'claimed by nobody'),
            ),
            _By.OPERATOR,
            f'virsh nodedev-reattach {nodedev}; if it shall stay with VFIO, '
            'restart nova-compute',
        )


def dirty_and_claimed(view: view_.View) -> _Found:
    """Find slots that are dirty after one server, and claimed by another."""
    assert view.sides.dirt is not None
    for one in view.sides.dirt.entries:
        slot = model.Claim('', one.slot).slot
        holders = view.holders(slot) if slot else set()
        if not holders or one.server in holders:
            continue
        if view.are_settled(holders):
            yield disagreement.Disagreement(
                'dirty-and-claimed',
                one.slot,
                ' '.join(sorted(holders)),
                (
                    ('Nova', 'claimed'),
                    ('record', f'dirty after {one.server}'),
                ),
                _By.NOVA_COMPUTE,
                'nova-compute cleans it before the next start; where it '
                'can not: `nova-gpuvirt quarantine` says why',
            )


def not_remembered(view: view_.View) -> _Found:
    """Find what a guest runs with and nothing remembers to clean."""
    assert view.sides.dirt is not None
    known = {(one.server, one.slot) for one in view.sides.dirt.entries}
    for held, part in view.parts():
        guest = view.guest_of.get(held.server)
        if (
            held.is_kept
            or part.kind not in view.sides.dirt.kinds
            or not isinstance(part.device, model.PciAddress)
            or guest is None
            or not guest.runs
            or str(part.device) not in guest.has
            or not view.is_settled(held.server)
            or (held.server, str(part)) in known
        ):
            continue
        yield disagreement.Disagreement(
            'not-remembered',
            str(part),
            held.server,
            (
                ('libvirt', 'the guest runs with it'),
                ('record', 'nothing of it'),
            ),
            _By.NOVA_COMPUTE,
            'its next update remembers it; where it can not, its log says why '
            '([gpuvirt]state_path)',
        )
