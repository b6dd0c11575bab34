"""How guests with GPUs are ended, and how their devices are taken back."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from nova import context as nova_context
from nova import objects
from oslo_log import log as logging

from nova_gpuvirt import model
from nova_gpuvirt.compute import card_cleaning
from nova_gpuvirt.compute import late_cleaning
from nova_gpuvirt.compute import late_releases
from nova_gpuvirt.compute import parts
from nova_gpuvirt.compute import timed
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.vendors import nvidia_vfs

LOG = logging.getLogger(__name__)


class Ending(parts.Parts):
    """Nova's ways to end a guest, with its GPUs."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        self._late_releases = late_releases.LateReleases(
            self._take_back, self._tell_freed
        )
        self._late_cleaning = late_cleaning.LateCleaning(
            card_cleaning.Means(
                self._dirt,
                self._cleaner.clean,
                self._ledger.holdings,
                self._tell_freed,
            ),
            self._machine.hypervisor.devices_of,
        )

    def cleanup_host(self, host: str) -> None:
        """Try no longer to take devices back, and to clean them."""
        self._late_releases.stop()
        self._late_cleaning.stop()
        super().cleanup_host(host)

    def _destroy(self, instance: objects.Instance) -> None:
        """End the guest of a vGPU of NVIDIA's without a SIGKILL, if it ends.

        One that comes while the plugin in its QEMU starts, for some 30
        seconds, leaves the vGPU's VF unusable for all that follow.
        """
        try:
            if self._has_nvidia_vgpu(instance):
                self._machine.hypervisor.end_gracefully(instance.uuid)
        except Exception:
            LOG.warning('Its guest is not ended gracefully', instance=instance)
            LOG.debug('The reason', exc_info=True)
        super()._destroy(instance)

    def _has_nvidia_vgpu(self, instance: objects.Instance) -> bool:
        """Ask the guest: the claims may be those of another host just now."""
        return any(
            self._is_nvidia_vgpu(device)
            for device in self._machine.hypervisor.devices_of(instance.uuid)
        )

    def _is_nvidia_vgpu(self, device: uuid.UUID | model.PciAddress) -> bool:
        sysfs = self._machine.sysfs
        if isinstance(device, model.PciAddress):
            return nvidia_vfs.exists(sysfs, device)
        parent = sysfs.mdevs.parent(device)
        try:
            card = model.PciAddress.parse(parent or '')
        except ValueError:  # it is gone, or of no PCI device
            return False
        return sysfs.read_if_there(card, 'vendor') == f'{model.NVIDIA:#06x}'

    def _attach(
        self, instance: objects.Instance
    ) -> Collection[guest_device.GuestDevice]:
        """Make an instance's devices ready, which nobody takes back then."""
        claims = self._ledger.claims(instance)
        self._late_releases.forget(instance.uuid, claims)
        self._late_cleaning.make_way(instance.uuid, claims)
        self._cleaner.forget(instance.uuid)
        return super()._attach(instance)

    def cleanup(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Release what the instance has here, when its guest is gone."""
        super().cleanup(context, instance, *args, **kw)
        self._release(instance, self._ledger.claims(instance))

    def confirm_migration(
        self,
        context: Any,
        migration: objects.Migration,
        instance: objects.Instance,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Release what the instance had before; Nova calls no cleanup."""
        super().confirm_migration(context, migration, instance, *args, **kw)
        old = self._get_resources(instance, prefix='old_')
        self._release(instance, self._ledger.claims(instance, old))

    @timed.step
    def _release(
        self, instance: objects.Instance, claims: Collection[model.Claim]
    ) -> None:
        """Take devices back, now or a little later."""
        if not claims:
            return
        try:
            failures = self._take_back(instance.uuid, claims)
        except Exception:
            LOG.exception(
                'Who else has the GPUs is not known: they are taken back '
                'with a later update',
                instance=instance,
            )
        else:
            if failures:
                self._late_releases.add(instance.uuid, failures)

    def _take_back(
        self, instance: str, claims: Collection[model.Claim]
    ) -> late_releases.Failures:
        """Take devices back, but none that another instance claims by now.

        Those for which the site's hook is due are cleaned with it.

        :param instance: the UUID of the one that had them
        """
        due = self._dirt.ways.has_hook
        with self._admission.sole(instance, claims) as sole:
            return self._handover.release(
                instance, [c for c in sole if not (c.slot and due(c.slot))]
            )

    def _tell_freed(self) -> None:
        """Let Nova report this host's GPUs as in a periodic update.

        Only threads beside the requests do so.
        """
        self._only_reports.here = True
        if self._ledger.ready:
            self._tracker().update_available_resource(
                nova_context.get_admin_context(), self._ledger.node
            )
