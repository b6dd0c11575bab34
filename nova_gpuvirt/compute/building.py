"""How guests are built and started, with their GPUs.

Each way to a guest's XML passes the gate once, as early as Nova lets it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

from nova import exception as nova_exception
from nova import objects
from nova.compute import task_states
from nova.compute import vm_states
from nova.virt.libvirt import config as vconfig
from oslo_log import log as logging

from nova_gpuvirt import exception
from nova_gpuvirt import guest
from nova_gpuvirt.compute import ending
from nova_gpuvirt.compute import gate
from nova_gpuvirt.compute import suspension
from nova_gpuvirt.compute import timed
from nova_gpuvirt.model import guest_device

LOG = logging.getLogger(__name__)

# Of an instance that was claimed on this host just now, by itself.
_CLAIMED_HERE = (vm_states.BUILDING, vm_states.SHELVED_OFFLOADED)
_REBUILDING = (
    task_states.REBUILDING,
    task_states.REBUILD_BLOCK_DEVICE_MAPPING,
    task_states.REBUILD_SPAWNING,
)


class Building(ending.Ending):
    """Nova's ways to build and to start a guest, with its GPUs."""

    def spawn(
        self,
        context: Any,
        instance: objects.Instance,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: gate.Allocated,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make sure of the claims; of a guest that arrives, also where it is.

        One that is rebuilt in its place is of this host already.
        """
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            self._ledger.save(instance)
        arriving = (
            instance.vm_state in _CLAIMED_HERE
            or instance.host != self._ledger.host
        )
        with self._opened(instance, allocations, arriving=arriving):
            super().spawn(
                context,
                instance,
                image_meta,
                injected_files,
                admin_password,
                allocations,
                *args,
                **kw,
            )

    def rebuild(
        self,
        context: Any,
        instance: objects.Instance,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: gate.Allocated,
        *args: Any,
        evacuate: bool = False,
        **kw: Any,
    ) -> None:
        """Make sure of the claims before Nova destroys the old guest."""
        if not evacuate:
            with self._opened(instance, allocations):
                pass
        super().rebuild(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            allocations,
            *args,
            evacuate=evacuate,
            **kw,
        )

    def finish_migration(
        self,
        context: Any,
        migration: objects.Migration,
        instance: objects.Instance,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make sure of the claims of a guest that arrives."""
        with self._opened(instance, arriving=True):
            super().finish_migration(context, migration, instance, *args, **kw)

    def _hard_reboot(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Make sure of the claims before the old guest is undefined.

        Nova starts a server that was stopped, and one whose host was
        rebooted, in this way too.
        """
        with self._opened(instance):
            super()._hard_reboot(context, instance, *args, **kw)

    def unrescue(self, context: Any, instance: objects.Instance) -> None:
        """Make the vGPUs again, as `resume` does: Nova starts the old XML."""
        with self._opened(instance):
            self._attach_or_refuse(instance)
            super().unrescue(context, instance)

    def resume(
        self,
        context: Any,
        instance: objects.Instance,
        network_info: Any,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make the vGPUs again that a reboot of the host took meanwhile."""
        with self._opened(instance):
            devices = self._attach_or_refuse(instance)
            super().resume(context, instance, network_info, *args, **kw)
        self._see_whole(instance, devices)

    def _see_whole(
        self,
        instance: objects.Instance,
        devices: Collection[guest_device.GuestDevice],
    ) -> None:
        """Make sure that a resumed guest has its mdevs: Nova only warns."""
        wanted = {
            str(device.uuid)
            for device in devices
            if isinstance(device, guest_device.Mdev)
        }
        missing = wanted - {
            device.uuid
            for device in suspension.mdevs(self._host.get_guest(instance))
        }
        if missing:
            LOG.error(
                'The guest was resumed without its vGPUs %s; hard-reboot it',
                ', '.join(sorted(missing)),
                instance=instance,
            )
            raise nova_exception.InstanceResumeFailure(
                reason='its vGPU could not be attached; hard-reboot it'
            )

    def _attach_or_refuse(
        self, instance: objects.Instance
    ) -> Collection[guest_device.GuestDevice]:
        try:
            return self._attach(instance)
        except exception.GpuvirtError as error:
            raise self._refusal(instance, error) from error

    @contextlib.contextmanager
    def _opened(
        self,
        instance: objects.Instance,
        allocated: gate.Allocated = None,
        *,
        arriving: bool = False,
    ) -> Iterator[None]:
        """Let an instance through the gate, and to its place if it arrives."""
        with contextlib.ExitStack() as stack:
            try:
                self._check(stack, instance, allocated, arriving)
            except exception.GpuvirtError as error:
                raise self._refusal(instance, error) from error
            yield

    @timed.step
    def _check(
        self,
        stack: contextlib.ExitStack,
        instance: objects.Instance,
        allocated: gate.Allocated,
        arriving: bool,
    ) -> None:
        stack.enter_context(
            self._gate.opened(instance, allocated, arriving=arriving)
        )
        if arriving:
            stack.enter_context(self._arriving.of(instance.uuid))
            self._pinning.settle(instance)

    def _get_guest_config(
        self, instance: objects.Instance, *args: Any, **kw: Any
    ) -> vconfig.LibvirtConfigGuest:
        """Make the instance's GPUs ready and put them into its guest."""
        with self._opened(instance):
            config = super()._get_guest_config(instance, *args, **kw)
            try:
                return self._wire(instance, config)
            except exception.GpuvirtError as error:
                raise self._refusal(instance, error) from error

    @timed.step
    def _wire(
        self,
        instance: objects.Instance,
        config: vconfig.LibvirtConfigGuest,
    ) -> vconfig.LibvirtConfigGuest:
        return guest.wire(
            config,
            self._attach(instance),
            guest.Host.of(self._machine),
            display=self._shows(instance),
        )

    def _refusal(
        self, instance: objects.Instance, error: exception.GpuvirtError
    ) -> nova_exception.NovaException:
        """Say in the log why, and return what Nova acts on.

        What Nova tells the owner of the server says less.
        """
        LOG.error(
            'Refused on %s: %s', self._ledger.host, error, instance=instance
        )
        if (
            isinstance(error, exception.RequestImpossible)
            and instance.vm_state == vm_states.BUILDING
        ):
            # Another host would refuse it too, and each would be called one
            # whose builds fail.
            return nova_exception.BuildAbortException(
                instance_uuid=instance.uuid, reason=error.told
            )
        rebuilding = instance.task_state in _REBUILDING
        if rebuilding and instance.host == self._ledger.host:
            # Nova would take the other for an evacuation that is refused,
            # and call a server ACTIVE whose guest is gone.
            return nova_exception.InstanceDeployFailure(reason=error.told)
        return nova_exception.ComputeResourcesUnavailable(reason=error.told)
