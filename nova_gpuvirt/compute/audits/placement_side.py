"""What Placement has allocated of this host's providers, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception

from nova_gpuvirt.audit import sides
from nova_gpuvirt.compute.audits import nova_side

Amounts = Mapping[str, Mapping[str, Mapping[str, int]]]
"""How many of each class, by provider and consumer."""


def amounts(client: Any, providers: Collection[str]) -> Amounts:
    """Read what is allocated: one request for each provider.

    :param client: Nova's report client
    :param providers: their UUIDs
    :raises ClientException: of keystoneauth, when it can not be reached
    :raises NovaException: when it does not say
    """
    context = nova_context.get_admin_context()
    return {
        provider: {
            consumer: allocation['resources']
            for consumer, allocation in (
                client.get_allocations_for_resource_provider(
                    context, provider
                ).allocations.items()
            )
        }
        for provider in providers
    }


def capacities(
    client: Any, providers: Collection[str]
) -> dict[sides.Key, int]:
    """Read how many there are of each class: one request for each provider.

    :param client: Nova's report client
    :param providers: their UUIDs
    :raises ClientException: of keystoneauth, when it can not be reached
    :raises NovaException: when it does not say
    """
    found = {}
    for provider in providers:
        answer = client.get(f'/resource_providers/{provider}/inventories')
        if not answer:
            raise nova_exception.ResourceProviderRetrievalFailed(uuid=provider)
        for rc, stock in answer.json()['inventories'].items():
            found[provider, rc] = capacity(stock)
    return found


def capacity(inventory: Mapping[str, Any]) -> int:
    """Tell how many of an inventory can be allocated."""
    return int(
        (inventory['total'] - inventory['reserved'])
        * inventory['allocation_ratio']
    )


def allocations(
    found: Amounts,
    nova: nova_side.NovaSide,
    ask: Callable[[str], nova_side.Consumer],
) -> tuple[tuple[sides.Allocation, ...], dict[str, sides.Server]]:
    """Tell whose each allocation is.

    :param ask: finds out whose it is that no server of this host has
    :returns: also the servers that are not of this host
    """
    result = []
    strangers: dict[str, sides.Server] = {}
    asked: dict[str, nova_side.Consumer] = {}
    for provider, consumers in found.items():
        for consumer, resources in consumers.items():
            if consumer in nova.servers:
                whose = nova_side.Consumer(nova.servers[consumer])
            elif nova.moves.get(consumer) in nova.servers:
                whose = nova_side.Consumer(
                    nova.servers[nova.moves[consumer]], is_move=True
                )
            else:
                if consumer not in asked:
                    asked[consumer] = ask(consumer)
                whose = asked[consumer]
            server = whose.server
            if server is not None and server.uuid not in nova.servers:
                strangers[server.uuid] = server
            result += [
                sides.Allocation(
                    consumer,
                    server.uuid if server else None,
                    provider,
                    rc,
                    amount,
                    is_move=whose.is_move,
                    move_is_over=whose.move_is_over,
                )
                for rc, amount in resources.items()
            ]
    return tuple(result), strangers
