"""What the logs of a cloud say of its work: calls, and seconds. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator

_ID = r'req-[0-9a-f-]{36}'
# Placement's middleware requestlog: the caller's request, then its own.
_PLACEMENT = re.compile(
    rf'placement\.requestlog \[({_ID}) {_ID} [^]]*\] \S+ "([^"]*)"'
)
# nova_gpuvirt.compute.timed, at level DEBUG.
_STEP = re.compile(
    rf'\[[^]]*\b({_ID})\b[^]]*\] nova_gpuvirt\S* took (\d+\.\d+) s\b'
)
# libvirtd's rpc.netserverclient, at level INFO: a message of a client's, of
# libvirt's own protocol (REMOTE_PROGRAM), that is a call (VIR_NET_CALL).
_LIBVIRT = re.compile(
    r'RPC_SERVER_CLIENT_MSG_RX: .* prog=536903814 .* type=0 '
)


def placement_calls(log: str, request: str) -> int:
    """Count the calls to Placement that a request to Nova took.

    :param log: Placement's
    :param request: its id, ``req-`` and a UUID
    """
    return sum(caller == request for caller, _ in _placement(log))


def placement_calls_of_host(log: str, providers: Collection[str]) -> int:
    """Count the calls to Placement that were made for a host.

    They are those of each request, or periodic task, that read or wrote any
    of its providers.

    :param log: Placement's
    :param providers: the UUIDs of its providers
    """
    calls = list(_placement(log))
    callers = {
        caller
        for caller, call in calls
        if any(provider in call for provider in providers)
    }
    return sum(caller in callers for caller, _ in calls)


def libvirt_calls(log: str) -> int:
    """Count the calls that libvirtd was asked for.

    :param log: libvirtd's, see `lab.host.calls`
    """
    return len(_LIBVIRT.findall(log))


def seconds(log: str, request: str = '') -> float:
    """Add up the seconds that nova_gpuvirt's steps took.

    :param log: nova-compute's, with nova_gpuvirt at level DEBUG
    :param request: the id of the one request that counts; without it, all do
    """
    return sum(
        float(took)
        for caller, took in _STEP.findall(log)
        if request in ('', caller)
    )


def _placement(log: str) -> Iterator[tuple[str, str]]:
    return (
        (found[1], found[2])
        for line in log.splitlines()
        if (found := _PLACEMENT.search(line))
    )
