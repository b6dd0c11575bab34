"""What of Nova's claims can't be: by themselves, and beside the cards."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import view as view_

_By = disagreement.By
_Found = Iterator[disagreement.Disagreement]

# After so many seconds without a change a task goes on no more: an image takes
# minutes, and Nova waits for no answer longer than half an hour.
LONG = 3600.0


def unreadable(view: view_.View) -> _Found:
    """Find claims that this version can't read."""
    for held in view.claims:
        if held.claim.slot is None and view.is_settled(held.server):
            yield disagreement.Disagreement(
                'claim-unreadable',
                held.claim.identifier,
                held.server,
                (('Nova', 'claimed'), ('nova-gpuvirt', 'no slot it knows')),
                _By.OPERATOR,
                'install the nova-gpuvirt that made the claim, or a newer one',
            )


def claimed_twice(view: view_.View) -> _Found:
    """Find places that two servers claim, and cards claimed beside a part."""
    told = set()
    for one, other in _contradictions(view):
        servers = {one[0].server, other[0].server}
        if len(servers) < 2 or not view.are_settled(servers):
            continue
        where = min(str(one[1]), str(other[1]))
        who = ' '.join(sorted(servers))
        if (where, who) not in told:
            told.add((where, who))
            yield disagreement.Disagreement(
                'claimed-twice',
                where,
                who,
                (
                    (
                        'Nova',
                        f'{one[0].server} has {one[1]}, '
                        f'{other[0].server} has {other[1]}',
                    ),
                ),
                _By.OPERATOR,
                'openstack server migrate, or delete, one of the two',
            )


def _contradictions(
    view: view_.View,
) -> Iterator[tuple[view_.Part, view_.Part]]:
    """Walk over each two parts that can't both be had."""
    for same in view.by_place.values():
        yield from itertools.combinations(same, 2)
    if view.sides.hardware is None:
        return
    cards = defaultdict(list)
    for part in view.parts():
        gpu = view.gpu_of(part[1].device)
        if gpu is not None:
            cards[gpu.address].append(part)
    for parts in cards.values():
        for whole, other in itertools.permutations(parts, 2):
            if whole[1].kind == model.WHOLE != other[1].kind:
                yield whole, other


def of_missing_card(view: view_.View) -> _Found:
    """Find claims of cards and VFs that are not there."""
    for held, part in view.parts():
        if view.is_settled(held.server) and not view.is_there(part.device):
            yield disagreement.Disagreement(
                'claim-of-missing-card',
                str(part),
                held.server,
                (('Nova', 'claimed'), ('hardware', 'no such card or VF')),
                _By.OPERATOR,
                'bring the card back (`nova-gpuvirt discover`), or '
                f'openstack server migrate {held.server}',
            )


def task_without_end(view: view_.View) -> _Found:
    """Find servers at which Nova is at work, and has not been for long.

    Nothing else is said of them, whatever the sides say.
    """
    for server in (view.sides.servers or {}).values():
        if server.task is None or server.idle < LONG:
            continue
        if view.by_server.get(server.uuid) or server.uuid in view.consumers:
            yield disagreement.Disagreement(
                'task-without-end',
                server.host or 'no host',
                server.uuid,
                (('Nova', f'{server.task} for {server.idle / 60:.0f} min'),),
                _By.OPERATOR,
                'see in the logs of nova-compute, at both hosts of a move, '
                'that it is not at work on it still; then restart that of '
                'its host, which ends most of what was interrupted; after a '
                'move, see at both hosts where its guest is before you set '
                f'the state of {server.uuid}',
            )


def untracked(view: view_.View) -> _Found:
    """Find claims that the tracker of nova-compute does not know."""
    assert view.sides.tracked is not None
    for held in view.claims:
        known = (held.provider, held.claim) in view.sides.tracked
        if not known and view.is_settled(held.server):
            yield disagreement.Disagreement(
                'claim-untracked',
                held.claim.identifier,
                held.server,
                (('Nova', 'claimed'), ('tracker', 'free')),
                _By.NOVA_COMPUTE,
                'its next periodic update reads it; else restart nova-compute',
            )


def tracked_without_claim(view: view_.View) -> _Found:
    """Find what the tracker withholds though nobody has claimed it."""
    assert view.sides.tracked is not None
    if not view.is_calm:  # a claim that is just made is saved later
        return
    claimed = {(held.provider, held.claim) for held in view.claims}
    for _, claim in view.sides.tracked - claimed:
        yield disagreement.Disagreement(
            'tracked-without-claim',
            claim.identifier,
            '',
            (
                ('tracker', f'{claim.resource_class} claimed'),
                ('Nova', 'claimed by nobody'),
            ),
            _By.NOVA_COMPUTE,
            'its next periodic update forgets it; else restart nova-compute',
        )
