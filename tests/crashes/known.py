"""What Nova itself leaves when its nova-compute is killed, and why.

`KNOWN` is of a server that is there, `remove_orphans` of what is there when
it was deleted.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Left:
    """A state that Nova leaves, in which Placement has more than is claimed.

    :ivar name: what it is
    :ivar cause: where in Nova it comes from
    :ivar remedy: what an operator does
    :ivar is_so: tells whether a server is in it
    """

    name: str
    cause: str
    remedy: str
    is_so: Callable


KNOWN = (
    Left(
        'a build that was interrupted before its claim',
        'ComputeManager._error_out_instances_whose_build_was_interrupted '
        'or _init_instance sets it to ERROR when nova-compute starts, and '
        'its allocation stays until it is deleted; '
        "ResourceTracker.instance_claim saves the server's host before what "
        'it has claimed',
        'openstack server delete',
        lambda case, server: (
            server['status'] == 'ERROR' and not case.claims(server)
        ),
    ),
    Left(
        'a move whose destination had not begun',
        'ComputeManager.prep_resize is asked once and by a cast: the server '
        'stays in resize_prep, and its allocation at the destination, until '
        '_init_instance at the source sets it back',
        'openstack server set --state active, or restart nova-compute at the '
        'source; then nova-manage placement audit',
        lambda case, server: server['OS-EXT-STS:task_state'] == 'resize_prep',
    ),
    Left(
        'a revert that was interrupted between its hosts',
        'ResourceTracker.drop_move_claim_at_dest gives the server what it '
        'had at its source, and ComputeManager.revert_resize sets the '
        'migration to reverted, before the source is asked by a cast: until '
        'then its claim is in no tracker (our gate knows it: Holders.read)',
        'see at the source that the guest is there, and set the state',
        lambda case, server: (
            server['OS-EXT-STS:task_state'] == 'resize_reverting'
        ),
    ),
    Left(
        'a confirm that was killed before it freed its source',
        'ComputeManager._confirm_resize saves the migration as confirmed '
        'before it deletes what that has allocated',
        'nova-manage placement audit --delete',
        lambda case, server: any(
            found['status'] == 'confirmed'
            and case._get_allocations_by_server_uuid(found['uuid'])
            for found in _migrations(case, server)
        ),
    ),
    Left(
        'an evacuation whose destination was killed',
        'ComputeManager.rebuild_instance saves the new host when the guest is '
        'built; the source, when it comes back, looks at the migration alone '
        '(_destroy_evacuated_instances), and removes its guest and what was '
        'allocated there',
        'openstack server set --state error, and evacuate it again, or delete',
        lambda case, server: (
            server['OS-EXT-STS:task_state'] or ''
        ).startswith('rebuild'),
    ),
)


def find(case, server):
    """Find what Nova leaves of a server, None where it leaves nothing."""
    found = server and case.found(server)
    return next((k for k in KNOWN if found and k.is_so(case, found)), None)


REVERT = (
    'what a revert left of its source: API._confirm_resize_on_deleting '
    'cleans that of a migration which is finished or confirming, and not of '
    'one that is reverting; nova-manage placement audit --delete, and virsh '
    'undefine'
)


def remove_orphans(case, server, migrations):
    """Remove what Nova leaves of a server that was deleted, as one would.

    :param migrations: the UUIDs of those that it had
    :returns: what it was, None where there was nothing
    """
    found = None
    for host in case.computes:
        for consumer in _consumers(case, host):
            case.assertIn(consumer, migrations)
            case.placement.delete(f'/allocations/{consumer}')
            found = REVERT
        connection = case.connection(host)
        for domain in [*connection._vms.values()]:
            case.assertEqual(server['id'], domain.UUIDString())
            case.assertFalse(domain.isActive(), 'a guest of nobody runs')
            domain.undefine()
            found = REVERT
    return found


def migrations(case, server):
    """List the UUIDs of a server's migrations, as long as it is there."""
    return [migration['uuid'] for migration in _migrations(case, server)]


def _migrations(case, server):
    return case.admin_api.api_get(
        f'/os-migrations?instance_uuid={server["id"]}'
    ).body['migrations']


def _consumers(case, host):
    """List who has allocations of a host's GPUs."""
    return {
        consumer
        for provider in case.gpu_providers(host).values()
        for consumer in case._get_allocations_by_provider_uuid(
            provider['uuid']
        )
    }
