"""Whether a running guest can be saved, and how its GPUs come back to it.

A suspend saves a guest's memory, and so does a cold snapshot. QEMU saves
neither what a GPU holds nor a guest that has one. Nova takes mdevs out of the
guest before, and puts them back after a suspend, but not after a snapshot.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import config as vconfig
from oslo_log import log as logging

from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev

LOG = logging.getLogger(__name__)

# The event of a server's action that tells its user why. Nova ends its own
# before the snapshot begins, as a success.
_EVENT = 'gpuvirt_snapshot'


def obstacle(
    claims: Collection[model.Claim], *, shown: bool, paused: bool = False
) -> str | None:
    """Tell why a guest can't be saved, for its user; None if it can.

    :param claims: what it holds of this host's GPUs
    :param shown: whether its console shows the screen of its vGPU
    :param paused: whether its CPUs stand still
    """
    for claim in claims:
        name = claim.resource_class
        if claim.slot is None or claim.slot.kind != mdev.Mdev.kind:
            return f'it has {name}, whose state can not be saved'
        if shown:
            # QEMU's vfio-pci-nohotplug.
            return (
                f'it has {name}, whose screen its console shows, so that it '
                'can not be detached'
            )
        if paused:
            return (
                f'it is paused, and {name} can be detached only while it runs'
            )
    return None


def mdevs(guest: Any) -> list[Any]:
    """List the mdevs that a guest has, or will have when it is started.

    Nova's own list is empty where libvirt does not answer.

    :param guest: Nova's `Guest`
    :raises libvirtError: when libvirt does not tell
    """
    config = vconfig.LibvirtConfigGuest()
    config.parse_str(guest.get_xml_desc())
    return [
        device
        for device in config.devices
        if isinstance(device, vconfig.LibvirtConfigGuestHostdevMDEV)
    ]


def is_saved(guest: Any) -> bool:
    """Tell whether a guest is stopped with its memory saved."""
    return bool(guest._domain.hasManagedSaveImage(0))


def attach_again(guest: Any, wanted: Collection[Any]) -> list[str]:
    """Attach those of some mdevs that a running guest lost.

    :param guest: Nova's `Guest`
    :param wanted: what it had, as `mdevs` lists it
    :returns: why it did not get them all back
    """
    failures = []
    try:
        has = {device.uuid for device in mdevs(guest)}
    except Exception as error:
        return [f'what it has is not known: {error}']
    for device in wanted:
        if device.uuid in has:
            continue
        try:
            guest.attach_device(device, live=True)
        except Exception as error:
            failures.append(f'mdev {device.uuid}: {error}')
    return failures


def told(error: Exception) -> nova_exception.NovaException:
    """Say in words for the owner of a server why its guest was not saved.

    What libvirt says names places of the host; Nova's words don't.
    """
    if isinstance(error, nova_exception.NovaException):
        return error
    return nova_exception.InstanceSuspendFailure(
        reason='it could not be saved; the log of nova-compute says why'
    )


def tell_user(
    context: Any, instance: objects.Instance, host: str, error: Exception
) -> None:
    """Say in a server's actions why its snapshot failed.

    :param context: the request's, which Nova finds the action by
    :param host: this host
    """
    admin: nova_context.RequestContext = context.elevated()
    event = objects.InstanceActionEvent
    try:
        event.event_start(
            admin, instance.uuid, _EVENT, want_result=False, host=host
        )
        event.event_finish_with_failure(
            admin,
            instance.uuid,
            _EVENT,
            exc_val=error,
            exc_tb=error.__traceback__,
            want_result=False,
        )
    except Exception:
        # The server may be gone by now.
        LOG.debug('Its actions do not say it', exc_info=True)
