"""The compute driver: Nova's libvirt driver, with the host's GPUs.

Each override calls Nova's own method and one thing of ours.
"""

from __future__ import annotations

from typing import Any

from nova import exception as nova_exception
from nova import objects
from nova import version
from nova.compute import provider_tree as provider_tree_
from oslo_log import log as logging

from nova_gpuvirt import exception
from nova_gpuvirt import version as version_
from nova_gpuvirt.cards import census
from nova_gpuvirt.compute import building
from nova_gpuvirt.compute import saving
from nova_gpuvirt.compute import timed

LOG = logging.getLogger(__name__)

# The major releases of Nova on which all tests are run.
TESTED_RELEASES = ('33', '34')


class GpuLibvirtDriver(building.Building, saving.Saving):
    """Nova's libvirt driver, that also gives the host's GPUs to guests."""

    def init_host(self, host: str) -> None:
        """Refuse to start where Nova would take what is ours for its own.

        What the host has goes to the log, in one line.
        """
        super().init_host(host)
        release = version.version_string().partition('.')[0]
        if release not in TESTED_RELEASES:
            LOG.warning(
                'nova-gpuvirt was tested with Nova %s, and this is %s: run '
                'its contract tests before you rely on it',
                ' and '.join(TESTED_RELEASES),
                release,
            )
        self._prepare()
        self._remember_guests()
        found = self._gpus.survey(refresh=True)
        try:
            self._nova_options.check(found.gpus)
        except exception.InvalidOption as error:
            raise nova_exception.InvalidConfiguration(str(error)) from error
        LOG.info(
            'nova-gpuvirt %s offers %s', version_.version(), census.line(found)
        )

    def _prepare(self) -> None:
        """Make the cards what the layout says, before a guest is started."""
        try:
            self._preparing.look()
        except Exception:
            LOG.exception('Not all cards are what the layout says')

    def _remember_guests(self) -> None:
        """Remember which guests have what, before one of them can end."""
        try:
            # Without guests Placement need not be waited for.
            if self.list_instance_uuids():
                self._recall()
                self._late_cleaning.remember()
        except Exception:
            LOG.exception('Who has what is remembered with a later update')

    # What Placement is told

    def update_provider_tree(
        self,
        provider_tree: provider_tree_.ProviderTree,
        nodename: str,
        allocations: Any = None,
    ) -> None:
        """Add our providers."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        self._reporter.report(provider_tree, nodename)
        try:
            if self._ledger.ready:
                self._late_cleaning.look(self._ledger.last_slots)
        except Exception:
            LOG.exception('What is dirty on %s stays for now', nodename)

    def get_available_resource(self, nodename: str) -> Any:
        """Discard leftovers first; no lock of Nova's is held here."""
        with self._updating:
            if not getattr(self._only_reports, 'here', False):
                self._put_right(nodename)
                self._audit(nodename)
            self._reporter.prepare(nodename)
        resources = super().get_available_resource(nodename)
        resources['stats'] |= self._reporter.stats
        return resources

    def _put_right(self, nodename: str) -> None:
        self._prepare()
        try:
            self._reconcile()
        except Exception:
            LOG.exception('The leftovers of %s stay for now', nodename)
        try:
            if self._ledger.ready:
                self._late_cleaning.remember(self._ledger.last_slots)
        except Exception:
            LOG.exception('Who has what on %s is not remembered', nodename)
        try:
            self._look_for_sickness()
        except Exception:
            LOG.exception(
                'Whether cards of %s are sick is not known', nodename
            )
        try:
            self._quarantines.look()
        except Exception:
            LOG.exception('Not all quarantines of %s are told', nodename)
        try:
            self._look_again()
        except Exception:
            LOG.exception('Not all guests of %s are looked at again', nodename)

    def _audit(self, nodename: str) -> None:
        """Compare all sides, once the claims are known."""
        try:
            if self._ledger.ready:
                self._auditing.update()
        except Exception:
            LOG.exception(
                'Whether the sides of %s agree is not known', nodename
            )

    def _look_again(self) -> None:
        self._late_unplugs.look()
        if self._ledger.ready:
            self._gate.look_again()

    @timed.step
    def _reconcile(self) -> None:
        # Before the first update every device looks like a leftover.
        if not self._ledger.ready:
            return
        try:
            with self._handover.undisturbed():
                self._discard_leftovers()
        except exception.Locked as error:
            LOG.warning('The leftovers stay for now: %s', error)

    def _discard_leftovers(self) -> None:
        # What the last update did not know may have been claimed since. The
        # database is read after the devices, and a claim is saved before its
        # device is made: so what is found here and not there is nobody's.
        # Nor is waited from here on for who has locked the host.
        leftovers = self._handover.leftovers(self._ledger.last_slots)
        if leftovers:
            claimed = self._ledger.slots_in_database()
            places = {slot.place for slot in claimed | self._dirt.all_slots()}
            self._handover.discard(
                x for x in leftovers if x.slot.place not in places
            )

    def check_can_live_migrate_source(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> Any:
        """Refuse for every GPU: Nova claims none on the other side."""
        claims = self._ledger.claims(instance)
        if claims:
            raise nova_exception.MigrationPreCheckError(
                reason=f'it has {claims[0].resource_class}; migrate it cold'
            )
        return super().check_can_live_migrate_source(
            context, instance, *args, **kw
        )
