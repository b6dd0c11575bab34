"""Tell if a service answers already."""

from __future__ import annotations

import contextlib
import pathlib
import socket

import requests
from openstack import exceptions

from lab.cloud import api
from lab.cloud import values


def port(number: int) -> bool:
    """Tell if somebody listens on a port."""
    with contextlib.suppress(OSError):
        socket.create_connection((values.ADDRESS, number), 2).close()
        return True
    return False


def unix_socket(path: pathlib.Path) -> bool:
    """Tell if somebody listens on a socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        return True
    return False


def http(number: int) -> bool:
    """Tell if a service answers on a port, but for its own failures."""
    with contextlib.suppress(requests.RequestException):
        answer = requests.get(f'http://{values.ADDRESS}:{number}/', timeout=5)
        return answer.status_code < 500
    return False


def service(binary: str) -> bool:
    """Tell if one of Nova's services is up."""
    with contextlib.suppress(exceptions.SDKException):
        return any(
            found.state == 'up'
            for found in api.connect().compute.services(binary=binary)
        )
    return False


def compute(host: str) -> bool:
    """Tell if servers can be scheduled to a host.

    Its nova-compute is up, and the scheduler has found which cell it is in.
    """
    with contextlib.suppress(exceptions.SDKException):
        return any(
            hypervisor.service_details['host'] == host
            for hypervisor in api.connect().compute.hypervisors(details=True)
            if hypervisor.state == 'up'
        )
    return False
