"""mdevs that a guest was asked to give up for a save, and may give up yet.

libvirt waits five seconds for a guest to unplug a device, and returns as if
all were well (virDomainDetachDeviceFlags). The save fails then, since the
device is still there; and the guest may let it go minutes later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.compute import vm_states
from oslo_log import log as logging

from nova_gpuvirt.compute import suspension

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """What a running guest was asked for; libvirt's number tells the run."""

    domain_id: int
    mdevs: Collection[Any]


class LateUnplugs:
    """The guests that may yet lose a vGPU, until they are started anew.

    A guest that is started anew has all that its definition has.

    :param find: finds Nova's `Guest` of an instance
    """

    def __init__(self, find: Callable[[objects.Instance], Any]) -> None:
        self._find = find
        self._asked: dict[str, _Asked] = {}

    def watch(self, instance: str, guest: Any, mdevs: Collection[Any]) -> None:
        """Watch a guest that was asked for these, and still has them.

        :param instance: its UUID
        """
        self._asked[instance] = _Asked(guest.id, tuple(mdevs))

    def look(self) -> None:
        """Give the guests back what they have given up meanwhile."""
        for uuid, asked in list(self._asked.items()):
            try:
                if self._is_over(uuid, asked):
                    self._asked.pop(uuid, None)
            except Exception:
                LOG.exception(
                    'It is not known whether the guest has its vGPUs',
                    extra={'instance_uuid': uuid},
                )

    def _is_over(self, uuid: str, asked: _Asked) -> bool:
        """Look at one guest, and tell whether it need not be watched."""
        try:
            instance = objects.Instance.get_by_uuid(
                nova_context.get_admin_context(), uuid
            )
            guest = self._find(instance)
        except nova_exception.InstanceNotFound:
            return True
        if guest.id != asked.domain_id:
            return True
        if instance.task_state is not None:
            return False
        has = {device.uuid for device in suspension.mdevs(guest)}
        if all(device.uuid in has for device in asked.mdevs):
            return False
        failures = suspension.attach_again(guest, asked.mdevs)
        if failures:
            LOG.error(
                'The guest has given its vGPU up, and it could not be '
                'attached again: %s; hard-reboot the server',
                '; '.join(failures),
                instance=instance,
            )
            instance.vm_state = vm_states.ERROR
            instance.save()
        else:
            LOG.warning(
                'The guest has given its vGPU up after a save that failed, '
                'and has it back',
                instance=instance,
            )
        return True
