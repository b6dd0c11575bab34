"""Whether Placement has allocated what Nova has claimed, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides
from nova_gpuvirt.audit import view as view_

_By = disagreement.By
_Found = Iterator[disagreement.Disagreement]

_ERROR = 'error'
# A move that broke off may have left the only copy of a guest on a host that
# Nova does not call its server's.
_SEE_GUEST = (
    'see on both hosts of its last migration whether a guest of {} is left '
    'there, and is needed (virsh dominfo); then'
)

OF_DELETED = 'allocation-of-deleted'
WITHOUT_ALLOCATION = 'claim-without-allocation'


def without_allocation(view: view_.View) -> _Found:
    """Find claims for which Placement has allocated too little."""
    for key, claimed in sorted(view.claimed.items()):
        server, provider, rc = key
        allocated = view.allocated[key]
        if allocated < claimed and view.is_settled(server):
            yield disagreement.Disagreement(
                WITHOUT_ALLOCATION,
                f'{view.name(provider)} {rc}',
                server,
                (
                    ('Nova', f'{claimed} claimed'),
                    ('Placement', f'{allocated} allocated'),
                ),
                _By.COMMAND,
                'without any allocation of the server: nova-manage placement '
                f'heal_allocations --instance {server}, and then --fix',
            )


def without_claim(view: view_.View) -> _Found:
    """Find allocations of servers that have not claimed so much."""
    for key, allocated in sorted(view.allocated.items()):
        uuid, provider, rc = key
        server = view.server(uuid)
        if server is None or not server.is_settled:
            continue
        claimed = view.claimed[key]
        if allocated <= claimed:
            continue
        rule, consumers, by, remedy = _excess(
            view, server, key, allocated - claimed
        )
        for consumer in consumers:
            yield disagreement.Disagreement(
                rule,
                f'{view.name(provider)} {rc}',
                consumer,
                (
                    ('Placement', f'{allocated} allocated'),
                    ('Nova', f'{claimed} claimed, {_where(server)}'),
                ),
                by,
                remedy.format(consumer=consumer, provider=provider),
            )


def _excess(
    view: view_.View,
    server: sides.Server,
    key: tuple[str, str, str],
    excess: int,
) -> tuple[str, list[str], disagreement.By, str]:
    """Tell of which kind too much is, whose, and who puts it right."""
    of_key = [
        a
        for a in view.sides.allocations or ()
        if (a.server, a.provider, a.resource_class) == key
    ]
    over = [a for a in of_key if a.move_is_over]
    consumers = sorted({a.consumer for a in of_key})
    if server.is_deleted:
        return (
            OF_DELETED,
            consumers,
            _By.NOVA_COMPUTE,
            'openstack resource provider allocation delete {consumer}',
        )
    if over and sum(a.amount for a in over) == excess:
        return (
            'allocation-of-ended-move',
            sorted({a.consumer for a in over}),
            _By.OPERATOR,
            f'{_SEE_GUEST.format(server.uuid)} openstack resource provider '
            'allocation unset --provider {provider} {consumer}',
        )
    if not server.is_here and not view.by_server.get(server.uuid):
        return (
            'allocation-of-server-elsewhere',
            consumers,
            _By.OPERATOR,
            f'{_SEE_GUEST.format(server.uuid)} openstack resource provider '
            'allocation unset --provider {provider} {consumer}',
        )
    remedy = (
        'it lacks what it pays for, and its next start is refused: openstack '
        f'server shelve {server.uuid}, and unshelve it'
    )
    if server.vm_state == _ERROR:
        remedy = (
            'Nova leaves it to a server whose build or move was interrupted. '
            f'After a move: {_SEE_GUEST.format(server.uuid)} openstack server '
            f'delete {server.uuid}'
        )
    return 'allocation-without-claim', consumers, _By.OPERATOR, remedy


def _where(server: sides.Server) -> str:
    if server.is_deleted:
        return 'by a server that is deleted'
    if server.is_here:
        return 'by a server of this host'
    return f'by a server of {server.host or "no host"}'


def of_nobody(view: view_.View) -> _Found:
    """Find allocations of consumers that Nova's cell does not know."""
    for each in view.sides.allocations or ():
        if each.server is None:
            yield disagreement.Disagreement(
                'allocation-of-nobody',
                f'{view.name(each.provider)} {each.resource_class}',
                each.consumer,
                (
                    ('Placement', f'{each.amount} allocated'),
                    ('Nova', 'no such server or migration in this cell'),
                ),
                _By.OPERATOR,
                'see with `nova-gpuvirt audit --fleet` whether the cloud '
                'knows it; else openstack resource provider allocation '
                f'delete {each.consumer}',
            )


def over_capacity(view: view_.View) -> _Found:
    """Find classes of which more is allocated than there is."""
    assert view.sides.capacities is not None
    used: Counter[sides.Key] = Counter()
    for each in view.sides.allocations or ():
        used[each.provider, each.resource_class] += each.amount
    for (provider, rc), amount in sorted(used.items()):
        capacity = view.sides.capacities.get((provider, rc), 0)
        if amount > capacity:
            yield disagreement.Disagreement(
                'over-capacity',
                f'{view.name(provider)} {rc}',
                '',
                (
                    ('Placement', f'{amount} allocated'),
                    ('inventory', str(capacity)),
                ),
                _By.OPERATOR,
                'openstack resource provider show --allocations '
                f'{provider}: who of these has not claimed it is named here; '
                'move or delete that one',
            )


def provider_of_missing_card(view: view_.View) -> _Found:
    """Find providers of cards that are gone, and of which nobody has any."""
    taken = {held.provider for held in view.claims}
    taken |= {each.provider for each in view.sides.allocations or ()}
    for uuid, device in view.sides.providers.items():
        if isinstance(device, model.FabricName) or uuid in taken:
            continue
        if not view.is_there(device):
            yield disagreement.Disagreement(
                'provider-of-missing-card',
                str(device),
                '',
                (('Placement', 'a provider'), ('hardware', 'no such card')),
                _By.OPERATOR,
                'bring the card back; if it is gone for good: openstack '
                f'resource provider delete {uuid}',
            )
