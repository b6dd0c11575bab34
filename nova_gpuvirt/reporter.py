"""What a host reports of its GPUs, to Placement and to the scheduler."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova import objects
from nova.compute import provider_tree as provider_tree_
from oslo_log import log as logging

from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import host_summary
from nova_gpuvirt import ledger as ledger_
from nova_gpuvirt import model
from nova_gpuvirt import placement
from nova_gpuvirt import summary
from nova_gpuvirt import timed

LOG = logging.getLogger(__name__)

_Providers = Mapping[str, placement.Provider | placement.SetProvider]


class Reporter:
    """The providers of a host's GPUs in Nova's tree, and its summary.

    :param tracker: returns Nova's resource tracker, once there is one
    """

    def __init__(
        self,
        gpus: gpus_.Gpus,
        ledger: ledger_.Ledger,
        tracker: Callable[[], Any],
    ) -> None:
        self._gpus = gpus
        self._ledger = ledger
        self._tracker = tracker
        self._running: Mapping[summary.Request, int] = {}
        self._summary: str | None = None

    @property
    def stats(self) -> dict[str, str]:
        """What the compute node's ``stats`` have of the GPUs."""
        return {} if self._summary is None else {summary.KEY: self._summary}

    def count_running(self, nodename: str) -> None:
        """Count what runs, for the summaries that follow.

        It reads the database, so it is not done under Nova's lock.
        """
        try:
            self._count_running(nodename)
        except Exception:
            LOG.exception('What runs on this host is not known')

    @timed.step
    def _count_running(self, nodename: str) -> None:
        self._running = self._ledger.running(nodename)

    def report(self, tree: provider_tree_.ProviderTree, nodename: str) -> None:
        """Put our providers into Nova's tree, and tell the scheduler.

        Nothing is raised: an error here would leak claims, and turn servers
        that are deleted to ERROR.
        """
        try:
            self._report(tree, nodename)
        except Exception:
            LOG.exception(
                'The GPUs of %s could not be reported; what Placement knows '
                'of them is left as it was',
                nodename,
            )
            try:
                self._keep_claims(tree, nodename)
            except Exception:
                LOG.exception('Not even the claims could be kept')

    @timed.step
    def _report(
        self, tree: provider_tree_.ProviderTree, nodename: str
    ) -> None:
        assigned = self._ledger.assigned()
        # Read once, and before anything is published: Nova copies with each
        # look all that a provider has.
        before = dict(_ours(tree, nodename))
        known = {
            address: placement.Known(
                data.inventory, data.traits, assigned.get(data.uuid, ())
            )
            for address, data in before.items()
        }
        providers = self._gpus.report(nodename, known)
        data_of = {data.name: data for data in before.values()}
        told = {
            self._put(tree, nodename, p, data_of.get(p.name)): p
            for p in providers
        }
        self._ledger.learn(
            nodename,
            {
                uuid: device
                for uuid, p in told.items()
                if (device := placement.address_of(nodename, p.name))
            },
            placement.classes(providers),
        )
        try:
            self._tell(nodename, told)
        except Exception:
            LOG.exception('The scheduler was not told of the GPUs')

    def _put(
        self,
        tree: provider_tree_.ProviderTree,
        nodename: str,
        provider: placement.Provider | placement.SetProvider,
        before: Any,
    ) -> str:
        """Put a provider into the tree and return its UUID.

        :param before: Nova's data of it, None for a new one
        """
        if before is None:
            uuid = tree.new_child(provider.name, nodename)
        else:
            uuid = before.uuid
            if before.traits != provider.traits or tree.has_inventory_changed(
                uuid, provider.inventories
            ):
                self._ledger.renew(uuid)
        tree.update_inventory(uuid, provider.inventories)
        tree.update_traits(uuid, provider.traits)
        _publish(tree, uuid, provider.resources)
        return str(uuid)

    def _tell(self, nodename: str, providers: _Providers) -> None:
        """Tell the scheduler, together with Placement.

        Nova saves the compute node right after this update, if it differs;
        it does not see a change inside of ``stats``.
        """
        told = host_summary.text(providers, self._running, self._ledger.made)
        self._summary = told if providers else None
        tracker = self._tracker()
        node = tracker.compute_nodes.get(nodename)
        if node is not None:
            stats = tracker.stats[nodename]
            stats.pop(summary.KEY, None)
            stats |= self.stats
            node.stats = stats

    def _keep_claims(
        self, tree: provider_tree_.ProviderTree, nodename: str
    ) -> None:
        """Publish the claims alone: Nova skips a provider without any."""
        assigned = self._ledger.assigned()
        for _, data in _ours(tree, nodename):
            resources: dict[str, set[model.Claim]] = {
                rc: set() for rc in data.inventory
            }
            for claim in assigned.get(data.uuid, ()):
                resources.setdefault(claim.resource_class, set()).add(claim)
            _publish(tree, data.uuid, resources)


def _ours(
    tree: provider_tree_.ProviderTree, nodename: str
) -> Iterator[tuple[model.Device, Any]]:
    """Walk over our providers in a tree: the card, and Nova's data."""
    for uuid in tree.get_provider_uuids(nodename):
        data = tree.data(uuid)
        address = placement.address_of(nodename, data.name)
        if address is not None:
            yield address, data


def _publish(
    tree: provider_tree_.ProviderTree, uuid: str, resources: Any
) -> None:
    """Give the tracker what it hands out."""
    tree.update_resources(
        uuid,
        {
            rc: {
                objects.Resource(
                    provider_uuid=uuid,
                    resource_class=rc,
                    identifier=claim.identifier,
                )
                for claim in claims
            }
            for rc, claims in resources.items()
        },
    )
