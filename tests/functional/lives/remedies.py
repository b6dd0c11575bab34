"""What an operator does about servers after something was away.

Each stands for a state that Nova leaves, and is what Nova's documents say to
do about it. None touches what is ours.
"""

from nova import objects

from tests.functional.lives import placement_rows
from tests.functional.lives import world as world_


def mend(world, draw):
    """Put right what failed meanwhile.

    Servers that hang in a task, were never built, or failed to move are
    deleted; others that are in error are started anew, or left so. One that
    hangs has to be reset first: Nova ignores further deletions of a server
    that is being deleted (API._delete).
    """
    for server in list(world.servers):
        if server.hangs:
            world.act(server, 'os-resetState', {'state': 'error'})
        if server.hangs or _is_lost(server):
            world.act(server, 'forceDelete')
        elif server.status == world_.ERROR and draw.random() < 0.7:
            world.act(server, 'reboot', {'type': 'HARD'})
    world.rest.wait()
    _reap(world)
    world.catch_up()
    _audit_placement(world)
    world.read()


def _is_lost(server):
    """Tell whether only the deletion of a server helps.

    One that could not be scheduled; one whose move failed half way, of which
    Nova keeps the other side (ComputeManager._error_out_instance_on_exception
    and its callers); and one that was shelved, but whose allocations could
    not be deleted, which keeps its host
    (ComputeManager._shelve_offload_instance).
    """
    return (
        (server.status == world_.ERROR and server.host is None)
        or (server.failed and server.moving)
        or (server.status == world_.SHELVED and server.host is not None)
    )


def _reap(world):
    """Run the periodic task that removes guests of deleted servers.

    The old guest of a move that failed is such a one.
    """
    for host in world.hosts:
        manager = world.computes[host].manager
        manager._cleanup_running_deleted_instances(world.context_at(host))


def _audit_placement(world):
    """Delete what is allocated to nobody.

    It is what ``nova-manage placement audit --delete`` deletes: what Nova
    could not while Placement did not answer.
    """
    known = {found.uuid for found in world.instances()}
    for host in world.hosts:
        migrations = objects.MigrationList.get_in_progress_by_host_and_node(
            world.context_at(host), host, host
        )
        known |= {migration.uuid for migration in migrations}
    for consumer in placement_rows.consumers() - known:
        world.placement.delete(f'/allocations/{consumer}')
