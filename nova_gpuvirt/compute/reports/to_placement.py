"""What is published of our providers, in the tree that Nova keeps of all.

Nova makes a new tree in each update, in each claim too. It has what Placement
knows, and nothing yet of what Nova's tracker hands out. Each look at a
provider copies all that it has.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Set
from typing import Any

from nova import objects
from nova.compute import provider_tree

from nova_gpuvirt import model
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import providers as providers_

Provider = providers_.Provider | providers_.SetProvider
Assigned = Mapping[str, frozenset[model.Claim]]
"""The claims by the UUIDs of their providers."""


class _Resources(dict[str, set[Any]]):
    """The `objects.Resource` that the tracker hands out, by class.

    Nobody changes it, so a copy of it, which Nova makes with each look at the
    provider, is itself.
    """

    def __deepcopy__(self, memo: Any) -> _Resources:
        return self


@dataclasses.dataclass(slots=True)
class _Published:
    """A provider, and what the tracker hands out of it.

    `is_settled` is whether a later tree has it as it was published: Placement
    took it. Where it did not, Nova asks for all again at once.
    """

    provider: Provider
    resources: _Resources
    is_settled: bool = False


class Published:
    """Our providers as they were published in the last update."""

    def __init__(self) -> None:
        self._last: Mapping[str, _Published] = {}

    def known(
        self,
        tree: provider_tree.ProviderTree,
        node: str,
        assigned: Assigned,
        *,
        everything: bool = True,
        unused: Mapping[str, Set[str]] = types.MappingProxyType({}),
    ) -> tuple[dict[model.Device, inventory.Known], dict[model.Device, str]]:
        """Tell what is known of our providers in a tree, and their UUIDs.

        :param everything: whether to look at those too that were settled
        :param unused: the classes of each that may be removed
        """
        known = {}
        uuids = {}
        for uuid in tree.get_provider_uuids(node):
            last = self._last.get(uuid)
            if last is not None and (everything or not last.is_settled):
                last.is_settled = not _differs(tree, uuid, last.provider)
            if last is not None and last.is_settled:
                was = last.provider
                now = was.name, was.inventories, was.traits
            else:
                data = tree.data(uuid)
                now = data.name, data.inventory, data.traits
            name, inventories, traits = now
            device = providers_.address_of(node, name)
            if device is not None:
                uuids[device] = uuid
                known[device] = inventory.Known(
                    inventories,
                    traits,
                    assigned.get(uuid, frozenset()),
                    unused.get(uuid, frozenset()),
                )
        return known, uuids

    @property
    def retired(self) -> dict[str, Set[str]]:
        """The classes that our providers have no more, by their UUIDs."""
        return {
            uuid: p.provider.retired
            for uuid, p in self._last.items()
            if p.provider.retired
        }

    def publish(
        self,
        tree: provider_tree.ProviderTree,
        node: str,
        providers: Iterable[Provider],
        known: Mapping[model.Device, inventory.Known],
        uuids: Mapping[model.Device, str],
        renew: Callable[[str], None],
    ) -> dict[str, Provider]:
        """Publish our providers, and tell them by their UUIDs.

        :param known: what is known of those that are in the tree
        :param uuids: theirs
        :param renew: called with the UUID of one that changes, before it does
        """
        published = {}
        for provider in providers:
            device = providers_.address_of(node, provider.name)
            assert device is not None
            uuid = uuids.get(device)
            before = known.get(device, inventory.UNKNOWN)
            if uuid is None:
                uuid = tree.new_child(provider.name, node)
                _write(tree, uuid, provider, before)
            elif _changes(tree, uuid, provider, before):
                renew(uuid)
                _write(tree, uuid, provider, before)
            last = self._last.get(uuid)
            if last is None or last.provider is not provider:
                last = _Published(
                    provider, _resources(uuid, provider.resources, last)
                )
            tree.update_resources(uuid, last.resources)
            published[uuid] = last
        self._last = published
        return {uuid: p.provider for uuid, p in published.items()}


def publish_claims(
    tree: provider_tree.ProviderTree,
    node: str,
    assigned: Assigned,
    card: model.Device | None = None,
) -> None:
    """Publish the claims alone: Nova skips a provider without any.

    :param card: of this card alone, and of sets
    """
    for uuid in tree.get_provider_uuids(node):
        data = tree.data(uuid)
        device = providers_.address_of(node, data.name)
        if device is None or (
            card is not None
            and device != card
            and not isinstance(device, model.FabricName)
        ):
            continue
        claims: dict[str, set[model.Claim]] = {
            rc: set() for rc in data.inventory
        }
        for claim in assigned.get(uuid, ()):
            claims.setdefault(claim.resource_class, set()).add(claim)
        tree.update_resources(uuid, _resources(uuid, claims))


def _differs(
    tree: provider_tree.ProviderTree, uuid: str, provider: Provider
) -> bool:
    """Tell whether Placement knows another thing of a provider."""
    return bool(
        tree.has_inventory_changed(uuid, provider.inventories)
        or tree.have_traits_changed(uuid, provider.traits)
    )


def _changes(
    tree: provider_tree.ProviderTree,
    uuid: str,
    provider: Provider,
    known: inventory.Known,
) -> bool:
    """Tell whether a provider becomes another one in the tree."""
    stands = (
        known.inventories is provider.inventories
        and known.traits is provider.traits
    )
    return not stands and _differs(tree, uuid, provider)


def _write(
    tree: provider_tree.ProviderTree,
    uuid: str,
    provider: Provider,
    known: inventory.Known,
) -> None:
    """Write a provider; traits that others gave meanwhile stay."""
    tree.update_inventory(uuid, provider.inventories)
    tree.remove_traits(uuid, *(set(known.traits) - provider.traits))
    tree.add_traits(uuid, *provider.traits)


def _resources(
    uuid: str,
    claims: Mapping[str, Set[model.Claim]],
    last: _Published | None = None,
) -> _Resources:
    """Make what the tracker hands out of a provider.

    Of a card with many claims most are as they were `last`, and to make and
    to hash them anew takes a while.
    """

    def made_of(rc: str, some: Iterable[model.Claim]) -> set[objects.Resource]:
        return {_resource(uuid, rc, claim.identifier) for claim in some}

    result = _Resources()
    for rc, now in claims.items():
        was = last.provider.resources.get(rc, frozenset()) if last else set()
        kept = last.resources.get(rc, set()) if last else set()
        result[rc] = kept - made_of(rc, was - now) | made_of(rc, now - was)
    return result


# As many as `model.Claim` remembers: nobody changes one.
@functools.lru_cache(maxsize=8192)
def _resource(uuid: str, rc: str, identifier: str) -> objects.Resource:
    return objects.Resource(
        provider_uuid=uuid, resource_class=rc, identifier=identifier
    )
