"""How guests with GPUs are saved: by a suspend, and by a cold snapshot."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nova import exception as nova_exception
from nova import objects
from nova.compute import power_state
from nova.compute import vm_states
from oslo_log import log as logging

from nova_gpuvirt.compute import parts
from nova_gpuvirt.compute import suspension

LOG = logging.getLogger(__name__)


# Whoever deletes the server does not wait for its snapshot, and a guest that
# is started then would outlive it.
_GONE = (
    nova_exception.InstanceNotFound,
    nova_exception.InstanceNotRunning,
    nova_exception.UnexpectedDeletingTaskStateError,
)


class Saving(parts.Parts):
    """Nova's ways to save a guest, for one that has GPUs."""

    def suspend(self, context: Any, instance: objects.Instance) -> None:
        """Refuse what can't be saved; what was detached in vain comes back."""
        guest = self._host.get_guest(instance)
        # QEMU pauses a guest by itself, as when its disk is full.
        paused = guest.get_power_state(self._host) == power_state.PAUSED
        why = self._why_not_saved(instance, paused=paused)
        if why is not None:
            raise nova_exception.InstanceFaultRollback(
                nova_exception.InstanceSuspendFailure(
                    reason=f'{why}; stop or shelve it instead'
                )
            )
        had = suspension.mdevs(guest)
        try:
            super().suspend(context, instance)
        except Exception as error:
            if not had:
                raise
            self._attach_again(instance, guest, had)
            if isinstance(error, nova_exception.InstanceFaultRollback):
                raise
            LOG.exception('Not suspended', instance=instance)
            raise nova_exception.InstanceFaultRollback(
                suspension.told(error)
            ) from error

    def _why_not_saved(
        self, instance: objects.Instance, *, paused: bool = False
    ) -> str | None:
        return suspension.obstacle(
            self._ledger.claims(instance),
            shown=self._shows(instance),
            paused=paused,
        )

    def _attach_again(
        self, instance: objects.Instance, guest: Any, had: Collection[Any]
    ) -> None:
        """Attach what a guest lost; else its server ends in ERROR.

        What it has still, it may yet give up.
        """
        failures = suspension.attach_again(guest, had)
        if failures:
            LOG.error(
                'The guest runs without what was detached for saving it: %s; '
                'hard-reboot the server',
                '; '.join(failures),
                instance=instance,
            )
            instance.vm_state = vm_states.ERROR
            raise nova_exception.InstanceResumeFailure(
                reason='its vGPU could not be attached again; hard-reboot it'
            )
        if had:
            self._late_unplugs.watch(instance.uuid, guest, had)

    def snapshot(
        self,
        context: Any,
        instance: objects.Instance,
        image_id: str,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Let no guest be left saved, and tell its user what failed."""
        try:
            super().snapshot(context, instance, image_id, *args, **kw)
        except Exception as error:
            if not isinstance(error, _GONE) and self._ledger.claims(instance):
                suspension.tell_user(
                    context,
                    instance,
                    self._ledger.host,
                    suspension.told(error),
                )
                self._resume_saved(context, instance)
            raise

    def _resume_saved(self, context: Any, instance: objects.Instance) -> None:
        """Resume a guest that Nova has left saved after a failed snapshot."""
        if instance.vm_state != vm_states.ACTIVE:
            return
        guest = self._host.get_guest(instance)
        if suspension.is_saved(guest):
            LOG.warning('Resumed after a failed snapshot', instance=instance)
            self._resume_guest_after_snapshot(
                context, False, power_state.RUNNING, instance, guest
            )

    def _suspend_guest_for_snapshot(
        self,
        context: Any,
        live_snapshot: bool,
        current_power_state: int,
        instance: objects.Instance,
    ) -> None:
        """Refuse a cold snapshot of what can't be saved, with its reason."""
        if self._needs_suspend_resume_for_snapshot(
            live_snapshot, current_power_state
        ):
            why = self._why_not_saved(
                instance, paused=current_power_state == power_state.PAUSED
            )
            if why is not None:
                raise nova_exception.InstanceSuspendFailure(
                    reason=f'a snapshot needs that here, but {why}; stop it '
                    'before the snapshot, and start it again'
                )
        try:
            super()._suspend_guest_for_snapshot(
                context, live_snapshot, current_power_state, instance
            )
        except nova_exception.InstanceFaultRollback as error:
            # Only a suspend is rolled back so.
            raise error.inner_exception from error

    def _resume_guest_after_snapshot(
        self,
        context: Any,
        live_snapshot: bool,
        original_power_state: int,
        instance: objects.Instance,
        guest: Any,
    ) -> None:
        """Attach the mdevs again, which Nova leaves out."""
        had = suspension.mdevs(guest)
        super()._resume_guest_after_snapshot(
            context, live_snapshot, original_power_state, instance, guest
        )
        self._attach_again(instance, guest, had)
