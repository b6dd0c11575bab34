"""Hosts with GPUs that join from elsewhere."""

from __future__ import annotations

import datetime

from openstack import connection
from openstack import exceptions

from lab import exception
from lab import waits
from lab.cloud import api
from lab.cloud import readiness

# The slowest first start of a nova-compute in the VM that was seen took 60 s.
_SECONDS = 300
_PAUSE = 2.0


def wait(host: str) -> None:
    """Wait until servers can be scheduled to the GPUs of a host.

    Its nova-compute was started just before.

    :param host: the name of its service, and of its node
    :raises NotReady: when it takes too long; it says what was missing
    """
    since = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    found = ''

    def is_ready() -> bool:
        nonlocal found
        try:
            found = _missing(host, since)
        except exceptions.SDKException as e:
            found = f'an API failed: {e}'
        return not found

    try:
        waits.until(is_ready, _SECONDS, f'the GPUs of {host}', _PAUSE)
    except exception.NotReady as e:
        raise exception.NotReady(
            f'{e}, found {found}; see the log of its nova-compute'
        ) from e


def _missing(host: str, since: datetime.datetime) -> str:
    """Say what is not there yet, if anything.

    A nova-compute that was there before may have left its providers. It says
    that it is up only when it has brought them up to date.
    """
    client = api.connect()
    up = max(
        (
            service.updated_at or ''
            for service in client.compute.services(
                host=host, binary='nova-compute'
            )
        ),
        default='',
    )
    if not up or datetime.datetime.fromisoformat(up) <= since:
        return f'that its nova-compute was up last at {up or "no time"}'
    if not readiness.compute(host):
        return 'that the scheduler does not know it'
    return _without_traits(client, f'{host}_gpuvirt_')


def _without_traits(client: connection.Connection, prefix: str) -> str:
    """Find a provider that is not complete; Nova sets its traits last."""
    providers = [
        provider
        for provider in client.placement.resource_providers()
        if provider.name.startswith(prefix)
    ]
    for provider in providers:
        for what in ('inventories', 'traits'):
            path = f'/resource_providers/{provider.id}/{what}'
            if not client.placement.get(path).json()[what]:
                return f'no {what} of {provider.name}'
    return '' if providers else f'no provider {prefix}*'
