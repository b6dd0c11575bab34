"""When a cloud has come to rest: its servers, and what servers had."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Set

from nova import context as nova_context
from nova import objects
from nova.compute import vm_states

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import quick

# How long cleaning is waited for, in seconds.
_CLEANING = 20.0

Holdings = Callable[[], Set[tuple[str, model.PciAddress, model.Slot]]]
"""Reads who holds what of which card of a host."""


def wait_until_clean(hosts: Mapping[pathlib.Path, Holdings]) -> bool:
    """Wait until nothing is dirty that nobody claims.

    What can't be cleaned, or has to wait for long, is not waited for.

    :param hosts: by the folder in which each remembers what is dirty
    :returns: whether anything was
    """
    was_dirty = False
    deadline = time.monotonic() + _CLEANING
    while time.monotonic() < deadline and (
        any(_is_dirty(*host) for host in hosts.items()) or _is_cleaning()
    ):
        was_dirty = True
        time.sleep(quick.PAUSE)
    return was_dirty


def under_way(gone: Set[str] = frozenset()) -> set[str]:
    """List the servers with which Nova is not done.

    The databases are asked and not the API, each answer of which takes half a
    second of a processor when there are many servers.

    :param gone: the UUIDs of those that shall be gone by then
    """
    context = nova_context.get_admin_context()
    asked = objects.BuildRequestList.get_all(context)
    found = objects.InstanceList.get_by_filters(
        context, {'deleted': False}, expected_attrs=[]
    )
    return {request.instance_uuid for request in asked} | {
        instance.uuid
        for instance in found
        if instance.vm_state == vm_states.BUILDING
        or instance.task_state is not None
        or instance.uuid in gone
    }


def _is_dirty(state_path: pathlib.Path, holdings: Holdings) -> bool:
    try:
        known = records.Records(state_path).read()
    except exception.InvalidRecord:  # nothing can be told of it
        return False
    dirty = {
        one.key
        for remembered in known.values()
        if isinstance(remembered, record.Record)
        for one in remembered.dirty
        if one.failed is None
    }
    return bool(dirty) and bool(
        dirty - {(who, str(slot)) for who, _, slot in holdings()}
    )


def _is_cleaning() -> bool:
    """Tell whether any host cleans anything."""
    return any(
        thread.name.startswith('gpuvirt-cleaning')
        for thread in threading.enumerate()
    )
