"""nova-compute's comparison of a host, outside of nova-compute.

It is the same driver, with nova-compute's own files of options: it reads
Nova's database through nova-conductor, Placement with nova-compute's
credentials, and libvirt, hardware and records itself. So it needs no
nova-compute that runs, and an operator reads what that would say.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import nova.conf
from nova import baserpc
from nova import config
from nova import context as nova_context
from nova import objects
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import base as objects_base
from nova.scheduler.client import report

from nova_gpuvirt import exception
from nova_gpuvirt import privileged
from nova_gpuvirt.compute import driver
from nova_gpuvirt.compute.audits import auditing as auditing_
from nova_gpuvirt.host import bounded

CONF = nova.conf.CONF

_PROGRAM = 'nova-compute'
# How long nova-conductor and Placement have for an answer, in seconds; and how
# long it takes at most to learn that nobody answers at all.
_ANSWER = 15
_SILENCE = 20.0


class Outside(driver.GpuLibvirtDriver):
    """The driver of a nova-compute that does not run here.

    :param connection: an open `virConnect`
    """

    def __init__(self, connection: Any) -> None:
        super().__init__(_Virtapi(report.report_client_singleton))
        self._host = types.SimpleNamespace(
            get_connection=lambda: connection,
            get_hostname=connection.getHostname,
        )

    @property
    def auditing(self) -> auditing_.Auditing:
        """The comparison of all sides of this host."""
        return self._auditing


class _Virtapi:
    """What the driver asks of nova-compute: Nova's report client alone.

    :param client: makes it, when it is first asked for
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    @property
    def reportclient(self) -> Any:
        """Nova's report client."""
        return self._client()


def configure(files: Sequence[str]) -> None:
    """Read the options of nova-compute, and connect to nova-conductor.

    :param files: its files, in the order in which it reads them
    :raises InvalidOption: when these can't be read, or nobody answers
    """
    arguments = [f'--config-file={name}' for name in files]
    try:
        config.parse_args([_PROGRAM, *arguments], configure_db=False)
    except Exception as error:
        raise exception.InvalidOption(
            '--config-file',
            wanted='options that nova-compute starts with',
            found=str(error),
            remedy='see `nova-gpuvirt check`',
        ) from error
    if os.geteuid() == 0:
        # Be root in this process, which needs no daemon for it.
        privileged.context.set_client_mode(False)
    objects.register_all()
    objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()
    # It is the client that knows this option.
    CONF.set_override('rpc_response_timeout', _ANSWER)
    CONF.set_override('timeout', _ANSWER, 'placement')
    ping()


def ping() -> None:
    """See that nova-conductor answers.

    :raises InvalidOption: when it does not
    """
    context = nova_context.get_admin_context()
    try:
        bounded.in_time(
            lambda: baserpc.BaseAPI('conductor').ping(
                context, 'audit', timeout=_ANSWER
            ),
            _SILENCE,
        )
    except Exception as error:
        raise exception.InvalidOption(
            'nova-conductor',
            wanted='what servers have claimed, which nova-compute asks it too',
            found=str(error) or type(error).__name__,
            remedy='see that it runs, and that transport_url of nova.conf '
            'leads to it',
        ) from error
