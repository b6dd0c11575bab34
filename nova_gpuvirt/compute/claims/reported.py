"""What this host has reported of its cards, as others remember it.

Before the first update of a nova-compute that was just started, it is the
only word on which provider is of which card, and which model of card it was
when something was claimed of it. Placement has it, and Nova's database: in
the compute node's ``stats``, under `KEY`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects

from nova_gpuvirt import model
from nova_gpuvirt.placement import providers
from nova_gpuvirt.placement import traits as traits_

KEY = 'gpuvirt_providers'
# Of Placement's API: `in_tree` came with 1.14.
_IN_TREE = '1.14'


@dataclasses.dataclass(frozen=True, slots=True)
class Reported:
    """What a provider is of.

    `identity` is the trait of the card's model, ``CUSTOM_GPU_ID_10DE_1EB8``;
    None where it has none, as a renderer that is no PCI card.
    """

    device: model.Device
    identity: str | None


Reports = Mapping[str, Reported]
"""Our providers, by UUID."""


def of_provider(
    node: str, name: str, traits: Iterable[str]
) -> Reported | None:
    """Read one from a provider; None where it is none of ours."""
    device = providers.address_of(node, name)
    if device is None:
        return None
    return Reported(device, min(traits_.ids_of(traits), default=None))


def dump(reports: Reports) -> str:
    """Write them as text."""
    return json.dumps(
        {u: [str(r.device), r.identity] for u, r in sorted(reports.items())},
        separators=(',', ':'),
    )


def load(text: str) -> Reports:
    """Read them from text; what is none of ours is left out."""
    try:
        return {
            uuid: Reported(model.parse_device(device), _identity(trait))
            for uuid, (device, trait) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _identity(trait: object) -> str | None:
    if trait is not None and not isinstance(trait, str):
        raise TypeError(f'{trait!r} is no trait')
    return trait


def from_placement(client: Any, node: objects.ComputeNode) -> Reports:
    """Read those of a host from Placement.

    :param client: Nova's report client
    :raises ClientException: of keystoneauth, when it can not be reached
    :raises NovaException: when it does not say
    """
    context = nova_context.get_admin_context()
    answer = client.get(
        f'/resource_providers?in_tree={node.uuid}',
        version=_IN_TREE,
        global_request_id=context.global_id,
    )
    if not answer:
        raise nova_exception.ResourceProviderRetrievalFailed(uuid=node.uuid)
    name = node.hypervisor_hostname
    return {
        found['uuid']: report
        for found in answer.json()['resource_providers']
        if providers.address_of(name, found['name']) is not None
        and (
            report := of_provider(
                name,
                found['name'],
                client.get_provider_traits(context, found['uuid']).traits,
            )
        )
    }


def from_database(node: objects.ComputeNode) -> Reports:
    """Read those of a host from its record in Nova's database."""
    return load((node.stats or {}).get(KEY, '{}'))
