"""What a host reports of its cards, to Placement and to the scheduler."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Set
from typing import Any

from nova import utils
from nova.compute import provider_tree as provider_tree_
from nova.compute import resource_tracker
from oslo_log import log as logging

from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import model
from nova_gpuvirt.compute import timed
from nova_gpuvirt.compute.claims import ledger as ledger_
from nova_gpuvirt.compute.claims import reported
from nova_gpuvirt.compute.reports import arrivals
from nova_gpuvirt.compute.reports import to_placement
from nova_gpuvirt.compute.reports import to_scheduler
from nova_gpuvirt.compute.reports import unused
from nova_gpuvirt.model import summary
from nova_gpuvirt.placement import providers as providers_

LOG = logging.getLogger(__name__)


class Reporter:
    """The providers of a host's cards in Nova's tree, and its summary.

    :param tracker: returns Nova's resource tracker, once there is one
    :param has_console: whether guests have a console that shows pictures
    """

    def __init__(
        self,
        gpus: gpus_.Gpus,
        ledger: ledger_.Ledger,
        tracker: Callable[[], Any],
        *,
        has_console: bool,
    ) -> None:
        self._gpus = gpus
        self._ledger = ledger
        self._tracker = tracker
        self._locked = utils.synchronized(
            resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True
        )
        self._published = to_placement.Published()
        self._host_summary = to_scheduler.HostSummary(has_console=has_console)
        self._arrivals = arrivals.Arrivals()
        # Whether the next report looks at every card.
        self._everything = True
        self._running: Mapping[summary.Request, int] = {}
        # The classes that the next report of every card may remove.
        self._unused: Mapping[str, Set[str]] = {}
        self._stats: dict[str, str] = {}

    @property
    def stats(self) -> dict[str, str]:
        """What the compute node's ``stats`` have of the GPUs."""
        return dict(self._stats)

    def prepare(self, nodename: str) -> None:
        """Prepare for the report of a periodic update.

        It looks at every card, tells what runs, and removes the classes that
        nobody uses. That is read from the database and from Placement, which
        is not done under Nova's lock.
        """
        self._everything = True
        try:
            self._count_running(nodename)
        except Exception:
            LOG.exception('What runs on this host is not known')
        try:
            self._find_unused()
        except Exception as error:
            LOG.warning('Classes that cards have no more stay: %s', error)

    @timed.step
    def _count_running(self, nodename: str) -> None:
        self._running = self._ledger.running(nodename)

    def _find_unused(self) -> None:
        self._unused = {}
        retired = self._published.retired
        if retired:
            client = self._tracker().reportclient
            self._unused = {
                uuid: unused.of(client, uuid, classes)
                for uuid, classes in retired.items()
            }

    def withdraw(self, card: model.Device) -> Collection[model.Claim]:
        """Let nobody claim anything of a card until the next report.

        Sets are not claimed either, until then.

        :returns: what is claimed of it at this moment
        """
        self._gpus.look_again(card)
        return list(self._locked(self._withdraw)(card))

    def _withdraw(self, card: model.Device) -> Collection[model.Claim]:
        if not self._ledger.ready:
            return ()
        assigned = self._ledger.assigned()
        tree = self._tracker().provider_tree
        to_placement.publish_claims(tree, self._ledger.node, assigned, card)
        return self._ledger.by_card(assigned, [card])[card]

    def report(self, tree: provider_tree_.ProviderTree, nodename: str) -> None:
        """Put our providers into Nova's tree, and tell the scheduler.

        Nothing is raised: an error here would leak claims, and turn servers
        that are deleted to ERROR.
        """
        try:
            self._report(tree, nodename)
        except Exception:
            self._everything = True
            LOG.exception(
                'The GPUs of %s could not be reported; what Placement knows '
                'of them is left as it was',
                nodename,
            )
            try:
                to_placement.publish_claims(
                    tree, nodename, self._ledger.assigned()
                )
            except Exception:
                LOG.exception('Not even the claims could be kept')

    @timed.step
    def _report(
        self, tree: provider_tree_.ProviderTree, nodename: str
    ) -> None:
        everything, self._everything = self._everything, False
        assigned = self._ledger.assigned()
        known, uuids = self._published.known(
            tree,
            nodename,
            assigned,
            everything=everything,
            unused=self._unused if everything else {},
        )
        providers = self._published.publish(
            tree,
            nodename,
            self._gpus.report(nodename, known, everything=everything),
            known,
            uuids,
            self._ledger.renew,
        )
        reports = {
            uuid: report
            for uuid, p in providers.items()
            if (report := reported.of_provider(nodename, p.name, p.traits))
        }
        self._ledger.learn(
            nodename,
            reports,
            providers_.classes(providers.values()),
        )
        try:
            self._tell(nodename, providers)
        except Exception:
            LOG.exception('The scheduler was not told of the GPUs')

    def _tell(
        self, nodename: str, providers: Mapping[str, to_placement.Provider]
    ) -> None:
        """Tell the scheduler, together with Placement.

        Nova saves the compute node right after this update, if it differs;
        it does not see a change inside of ``stats``.
        """
        tracker = self._tracker()
        arrived = self._arrivals.young(self._now_there(tracker))
        told = self._host_summary.text(providers, self._running, arrived)
        self._stats = {}
        if providers:
            self._stats = {
                summary.KEY: told,
                reported.KEY: reported.dump(self._ledger.reports),
            }
        node = tracker.compute_nodes.get(nodename)
        if node is not None:
            stats = tracker.stats[nodename]
            for key in (summary.KEY, reported.KEY):
                stats.pop(key, None)
            stats |= self._stats
            node.stats = stats

    def _now_there(self, tracker: Any) -> dict[str, str | None]:
        """List the instances that are here, and by which move they come.

        One that moves away, or within this host, is here all along.
        """
        moves = tracker.tracked_migrations
        there = (*tracker.tracked_instances, *moves)
        return dict.fromkeys(there) | {
            instance: move.uuid
            for instance, move in moves.items()
            if move.dest_compute == self._ledger.host
        }
