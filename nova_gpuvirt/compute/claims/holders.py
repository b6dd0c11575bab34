"""Who holds GPUs of a host, as Nova's database has it.

Nova keeps a claim with its instance, and with a migration those of both
sides. To read all takes the longer the more guests a host has, so what was
read is remembered, for those who only want to know whom to ask about.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.compute import task_states

from nova_gpuvirt import model

Claims = Mapping[str, Collection[model.Claim]]
"""Claims by the UUIDs of the providers that they are of."""


class Holders:
    """The instances that hold GPUs of a host.

    Claims on other hosts' GPUs are among what is told: an instance that
    moves has both. The provider tells.

    :param host: this host, as Nova names it
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._remembered: dict[str, Claims] | None = None
        # What was added since the last reading began.
        self._added: dict[str, Claims] = {}

    def read(
        self, node: str
    ) -> tuple[Mapping[str, Claims], Collection[objects.Instance]]:
        """Read all of them: their claims, and the instances of this host.

        :param node: this host's node, as Nova names it
        """
        with self._reading:
            self._added = {}
            held: dict[str, Claims] = {}
            instances = []
            for uuid, resources in self._moving(node):
                _add(held, uuid, resources)
            for instance in reverting():
                _add(held, instance.uuid, instance.resources)
            for instance in objects.InstanceList.get_by_host(
                nova_context.get_admin_context(),
                self._host,
                expected_attrs=['resources', 'flavor'],
            ):
                _add(held, instance.uuid, instance.resources)
                instances.append(instance)
            with self._changing:
                self._remembered = dict(held)
                for uuid, claims in self._added.items():
                    self._remembered[uuid] = _joined(
                        held.get(uuid, {}), claims
                    )
            return held, instances

    def add(self, instance: str, claims: Claims) -> None:
        """Remember what an instance has too, and Nova's database already."""
        with self._changing:
            for held in (self._added, self._remembered):
                if held is not None:
                    held[instance] = _joined(held.get(instance, {}), claims)

    def others(
        self, node: str, but: str, providers: Collection[str]
    ) -> Iterator[tuple[str, Claims]]:
        """Walk over who may hold something of these providers.

        It is what is remembered: some may be gone, and their claims too.

        :param but: the UUID of an instance that does not count
        """
        if self._remembered is None:
            self.read(node)
        wanted = set(providers)
        for instance, claims in list((self._remembered or {}).items()):
            if instance != but and not wanted.isdisjoint(claims):
                yield instance, claims

    def claims_now(self, instance: str) -> Claims:
        """Read what one instance holds, and remember it.

        :param instance: its UUID
        """
        held: dict[str, Claims] = {}
        try:
            found = objects.Instance.get_by_uuid(
                nova_context.get_admin_context(),
                instance,
                expected_attrs=['resources', 'migration_context'],
            )
        except nova_exception.InstanceNotFound:
            pass
        else:
            if found.host == self._host or (
                found.task_state == task_states.RESIZE_REVERTING
            ):
                _add(held, instance, found.resources)
            for resources in both_sides(found.migration_context):
                _add(held, instance, resources)
        claims = held.get(instance, {})
        with self._changing:
            self._added[instance] = claims
            if self._remembered is not None:
                self._remembered[instance] = claims
        return claims

    def _moving(
        self, node: str
    ) -> Iterator[tuple[str, Iterable[objects.Resource] | None]]:
        """Walk over both sides of each migration that is under way.

        They are read first: what arrives meanwhile is found with the host.
        """
        context = nova_context.get_admin_context()
        for (
            migration
        ) in objects.MigrationList.get_in_progress_by_host_and_node(
            context, self._host, node
        ):
            uuid = migration.instance_uuid
            try:
                moving = objects.MigrationContext.get_by_instance_uuid(
                    context, uuid
                )
            except nova_exception.MigrationContextNotFound:
                continue  # the instance was deleted meanwhile
            for resources in both_sides(moving):
                yield uuid, resources


def claim_of(resource: objects.Resource) -> model.Claim:
    """Read a claim from what Nova keeps of it."""
    return model.Claim(resource.resource_class, resource.identifier)


def by_provider(
    resources: Iterable[objects.Resource] | None,
) -> dict[str, list[model.Claim]]:
    """Gather claims by the UUIDs of their providers."""
    result: dict[str, list[model.Claim]] = {}
    for resource in resources or ():
        result.setdefault(resource.provider_uuid, []).append(
            claim_of(resource)
        )
    return result


def _joined(some: Claims, more: Claims) -> Claims:
    """Join what one instance has, each claim once."""
    return {
        provider: list(
            dict.fromkeys([*some.get(provider, ()), *more.get(provider, ())])
        )
        for provider in some.keys() | more.keys()
    }


def _add(
    held: dict[str, Claims],
    instance: str,
    resources: Iterable[objects.Resource] | None,
) -> None:
    """Add claims to what an instance has."""
    if resources:
        held[instance] = _joined(
            held.get(instance, {}), by_provider(resources)
        )


def reverting() -> Any:
    """List the servers on their way back, whose host is still the other.

    Their migration is not in progress any more, and their claims are those
    of the host that they come back to.
    """
    return objects.InstanceList.get_by_filters(
        nova_context.get_admin_context(),
        {'task_state': task_states.RESIZE_REVERTING, 'deleted': False},
        expected_attrs=['resources'],
    )


def both_sides(moving: Any) -> Iterator[Any]:
    """Walk over what an instance has on both sides of its migration.

    :param moving: its migration context, None of one that never moved
    """
    for side in ('old_resources', 'new_resources'):
        if moving is not None and side in moving:
            yield getattr(moving, side)
