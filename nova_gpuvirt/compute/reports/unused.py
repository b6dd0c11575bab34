"""Which classes of a provider nobody has anything of, and nobody can get.

Placement refuses to remove a class of which there is an allocation, and that
fails the update of the whole host. One may be there before this host knows of
it. But none comes of a class that is reserved whole, and only this host says
how much is reserved: so what is unused then stays so.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception


def of(client: Any, provider: str, classes: Collection[str]) -> frozenset[str]:
    """Tell which of some classes Placement lets go.

    :param client: Nova's report client
    :param provider: the UUID
    :raises ClientException: of keystoneauth, when it can not be reached
    :raises NovaException: when it does not say
    """
    # In this order: an allocation may come before all is reserved.
    inventories = _get(client, provider, 'inventories')
    usages = _get(client, provider, 'usages')
    return frozenset(
        rc
        for rc in classes
        if rc in inventories
        and inventories[rc]['reserved'] >= inventories[rc]['total']
        and usages.get(rc) == 0
    )


def _get(client: Any, provider: str, what: str) -> dict[str, Any]:
    context = nova_context.get_admin_context()
    answer = client.get(
        f'/resource_providers/{provider}/{what}',
        global_request_id=context.global_id,
    )
    if not answer:
        raise nova_exception.ResourceProviderRetrievalFailed(uuid=provider)
    found: dict[str, Any] = answer.json()[what]
    return found
