"""What Nova's database has: servers, what they claim, and whose a consumer is.

It is read as the tracker of nova-compute reads it: what servers of this host
have, what both sides of a move have while it is under way, and what a server
on its way back has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.compute import vm_states
from oslo_utils import timeutils

from nova_gpuvirt import model
from nova_gpuvirt.audit import sides
from nova_gpuvirt.compute.claims import holders

_FINISHED = 'finished'


@dataclasses.dataclass(frozen=True, slots=True)
class NovaSide:
    """Servers by UUID, what they hold of our providers, and their moves.

    `moves` are the servers of the migrations that are under way, by the
    migration's UUID.
    """

    servers: Mapping[str, sides.Server]
    claims: tuple[sides.Held, ...]
    moves: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Consumer:
    """Whose an allocation is.

    `server` is None where this cell has no such server or migration.
    """

    server: sides.Server | None
    is_move: bool = False
    move_is_over: bool = False


def read(host: str, node: str, providers: Collection[str]) -> NovaSide:
    """Read who holds what of this host.

    :param node: this host's node, as Nova names it
    :param providers: the UUIDs of ours
    """
    context = nova_context.get_admin_context()
    # Moves first: who arrives meanwhile is found with the host.
    under_way = objects.MigrationList.get_in_progress_by_host_and_node(
        context, host, node
    )
    moves = {migration.instance_uuid: migration for migration in under_way}
    sides_of = {uuid: _both_sides(context, uuid) for uuid in moves}
    found = {
        instance.uuid: instance
        for instance in (
            *holders.reverting(),
            *objects.InstanceList.get_by_host(
                context, host, expected_attrs=['resources']
            ),
        )
    }
    for uuid in moves.keys() - found.keys():
        instance = _instance(context, uuid)
        if instance is not None:
            found[uuid] = instance
    claims: list[sides.Held] = []
    for uuid, instance in found.items():
        now = _ours(instance.resources, providers)
        claims += [sides.Held(uuid, p, c) for p, c in now]
        claims += [
            sides.Held(uuid, p, c, is_kept=True)
            for p, c in dict.fromkeys(_ours(sides_of.get(uuid, ()), providers))
            if (p, c) not in now
        ]
    servers = {
        uuid: _server(instance, host, moves.get(uuid))
        for uuid, instance in found.items()
    }
    return NovaSide(
        servers,
        tuple(claims),
        {migration.uuid: uuid for uuid, migration in moves.items()},
    )


def consumer(host: str, uuid: str) -> Consumer:
    """Find out whose an allocation is that no server of this host has.

    :param uuid: the consumer's
    """
    context = nova_context.get_admin_context(read_deleted='yes')
    try:
        migration = objects.Migration.get_by_uuid(context, uuid)
    except nova_exception.MigrationNotFound:
        return Consumer(_stranger(context, host, uuid))
    return Consumer(
        _stranger(context, host, migration.instance_uuid),
        is_move=True,
        move_is_over=migration.status in sides.OVER,
    )


def server(host: str, uuid: str) -> sides.Server | None:
    """Read a server, deleted or not, None where this cell has none."""
    context = nova_context.get_admin_context(read_deleted='yes')
    return _stranger(context, host, uuid)


def _stranger(context: Any, host: str, uuid: str) -> sides.Server | None:
    instance = _instance(context, uuid)
    if instance is None:
        return None
    under_way = objects.MigrationList.get_by_filters(
        context, {'instance_uuid': uuid}
    )
    moves = [m for m in under_way if m.status not in sides.OVER]
    found = _server(instance, host, moves[0] if moves else None)
    if instance.deleted:
        # One that is hidden went to another cell, and may come back.
        is_gone = not instance.hidden
        return dataclasses.replace(
            found, is_deleted=is_gone, is_settled=is_gone, is_here=False
        )
    return found


def _server(
    instance: objects.Instance, host: str, move: objects.Migration | None
) -> sides.Server:
    waits = move is None or (
        move.status == _FINISHED and instance.vm_state == vm_states.RESIZED
    )
    return sides.Server(
        instance.uuid,
        instance.host,
        is_here=instance.host == host,
        is_settled=(
            waits
            and instance.task_state is None
            and instance.vm_state != vm_states.BUILDING
            and not instance.hidden
        ),
        vm_state=instance.vm_state,
        task=instance.task_state,
        idle=_idle(instance),
    )


def _idle(instance: objects.Instance) -> float:
    """Tell how many seconds ago Nova has changed an instance."""
    changed = instance.updated_at or instance.created_at
    if changed is None:
        return 0.0
    return timeutils.delta_seconds(changed, timeutils.utcnow(True))


def _instance(context: Any, uuid: str) -> objects.Instance | None:
    try:
        return objects.Instance.get_by_uuid(
            context, uuid, expected_attrs=['resources']
        )
    except nova_exception.InstanceNotFound:
        return None


def _both_sides(context: Any, uuid: str) -> list[objects.Resource]:
    """List what a server has on both sides of its move."""
    try:
        moving = objects.MigrationContext.get_by_instance_uuid(context, uuid)
    except nova_exception.MigrationContextNotFound:
        return []
    return [
        resource
        for resources in holders.both_sides(moving)
        for resource in resources or ()
    ]


def _ours(
    resources: Iterable[objects.Resource] | None, providers: Collection[str]
) -> list[tuple[str, model.Claim]]:
    """Read those of our providers."""
    return [
        (r.provider_uuid, holders.claim_of(r))
        for r in resources or ()
        if r.provider_uuid in providers
    ]
