"""The gate that each guest with GPUs passes before it is built or started.

Nova checks an instance's claims when it makes them, and never again: not for
a hard reboot after a move that failed, not after a card was replaced, not for
a guest that is started with its host.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt.compute.claims import admission as admission_
from nova_gpuvirt.compute.claims import allocations as allocations_
from nova_gpuvirt.compute.claims import holders
from nova_gpuvirt.compute.claims import ledger as ledger_
from nova_gpuvirt.compute.claims import reported

LOG = logging.getLogger(__name__)

Allocated = Mapping[str, Mapping[str, Any]] | None
"""What Nova hands to a driver of an instance's allocations, if anything."""


class Gate:
    """Let guests pass whose claims are complete, their own, and the same."""

    def __init__(
        self,
        ledger: ledger_.Ledger,
        admission: admission_.Admission,
        gpus: gpus_.Gpus,
        allocations: allocations_.Allocations,
    ) -> None:
        self._ledger = ledger
        self._admission = admission
        self._gpus = gpus
        self._allocations = allocations
        self._is_recalled = False
        # The instances that passed without a word of Placement.
        self._unsure: set[str] = set()
        # Those that passed in this thread and are being built.
        self._passed = threading.local()

    @contextlib.contextmanager
    def opened(
        self,
        instance: objects.Instance,
        allocated: Allocated = None,
        *,
        arriving: bool = False,
    ) -> Iterator[None]:
        """Check an instance once for all that is done meanwhile.

        See `check` for the arguments.

        :raises ClaimRefused: when it may not have what it has claimed
        """
        passed: set[str] = self._passed.__dict__.setdefault('uuids', set())
        if instance.uuid in passed:
            yield
            return
        self.check(instance, allocated, arriving=arriving)
        passed.add(instance.uuid)
        try:
            yield
        finally:
            passed.discard(instance.uuid)

    def check(
        self,
        instance: objects.Instance,
        allocated: Allocated = None,
        *,
        arriving: bool = False,
    ) -> None:
        """Make sure that an instance may have what it has claimed.

        Where Placement does not answer, the flavor is the measure, and
        `look_again` asks once more.

        :param allocated: what Placement has allocated to it, where the caller
            has just read it
        :param arriving: whether it was claimed just now, for its flavor
        :raises ClaimRefused: when it may not
        """
        self.recall(instance.node)
        claims = self._ledger.claims(instance)
        if not claims and not self._ledger.reports:
            # Whether it has lost claims is known with the first update.
            self._note(instance, is_sure=self._ledger.ready)
            return
        units = (
            allocations_.units(allocated)
            if allocated
            else self._allocated(instance)
        )
        # One that arrives was claimed of what the last report saw.
        look = self._gpus.of_claims if arriving else self._gpus.look_at
        self._admission.check(instance, look(claims), units, arriving=arriving)
        self._note(instance, is_sure=units is not None)

    def _note(self, instance: objects.Instance, *, is_sure: bool) -> None:
        """Remember whether an instance has to be looked at again."""
        change = self._unsure.discard if is_sure else self._unsure.add
        change(instance.uuid)

    def look_again(self) -> None:
        """Check those again that passed without a word of Placement.

        Their guests run, and nothing is done to them: the log says what is
        wrong.
        """
        for uuid in list(self._unsure):
            try:
                instance = objects.Instance.get_by_uuid(
                    nova_context.get_admin_context(),
                    uuid,
                    expected_attrs=['resources', 'flavor'],
                )
                if instance.host == self._ledger.host:
                    self.check(instance)
                elif instance.task_state is None:
                    # One that arrives is of the other host still.
                    self._unsure.discard(uuid)
            except nova_exception.InstanceNotFound:
                self._unsure.discard(uuid)
            except exception.GpuvirtError as error:
                self._unsure.discard(uuid)
                LOG.error(
                    'The guest of instance %s was started while Placement '
                    'did not answer, and should not have its GPUs: %s',
                    uuid,
                    error,
                )

    def recall(self, nodename: str) -> None:
        """Read what was reported before this nova-compute was started."""
        if self._ledger.ready or self._is_recalled:
            return
        try:
            node = objects.ComputeNode.get_by_host_and_nodename(
                nova_context.get_admin_context(),
                self._ledger.host,
                nodename,
            )
        except nova_exception.ComputeHostNotFound:
            return
        reports = self._allocations.ask(
            lambda client: reported.from_placement(client, node),
            patiently=True,
        )
        self._is_recalled = reports is not None
        if reports is None:
            reports = reported.from_database(node)
        self._ledger.recall(nodename, reports)

    def _allocated(
        self, instance: objects.Instance
    ) -> allocations_.Units | None:
        """Ask Placement; a move that was broken off has its own consumer."""
        patiently = not self._ledger.ready
        units = self._allocations.of(instance.uuid, patiently=patiently)
        moving = instance.migration_context
        if moving is None or not _is_on_the_old_side(instance, moving):
            return units
        migration = objects.Migration.get_by_id(
            nova_context.get_admin_context(), moving.migration_id
        )
        kept = self._allocations.of(migration.uuid, patiently=patiently)
        return kept or units


def _is_on_the_old_side(
    instance: objects.Instance, moving: objects.MigrationContext
) -> bool:
    if 'old_resources' not in moving:
        return False
    old = holders.by_provider(moving.old_resources)
    return old == holders.by_provider(instance.resources)
