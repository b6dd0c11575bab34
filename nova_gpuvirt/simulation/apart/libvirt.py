"""A host's libvirt, for a nova-compute in another process.

What is no plain value stays here, and the other side has a number for it.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import Any

from nova_gpuvirt.simulation.apart import wire

NAME = 'libvirt'

_CONNECTION = 0
_PLAIN = (str, bytes, int, float, type(None))
# Calls of libvirt's API that change nothing.
_READS = re.compile(
    r'(get|list|lookup|nodeDeviceLookup|secretLookup|compare|baseline|is|num|'
    r'has|block(Info|Stats)|jobStats|jobInfo|memoryStats|interfaceStats)[A-Z]?'
    r'|(XMLDesc|UUID|ID|info|name|state|parent|maxVcpus|autostart|vcpus)'
)
# What nova-compute asks for itself of the connection, and no host notices.
_OF_CLIENT = re.compile(r'(domainEvent|register|unregister|setKeepAlive).*')


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """What stays on the host's side: a domain, a node device."""

    number: int
    kind: str


class Libvirt:
    """The host's side.

    :param connection: the connection that Nova's code would have
    """

    def __init__(self, connection: Any) -> None:
        self._lock = threading.Lock()
        self._objects = [connection]
        self._numbers = {id(connection): _CONNECTION}

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name a call that changes something."""
        (reference, *_) = args
        if _READS.match(name) or _OF_CLIENT.match(name):
            return None
        return f'libvirt {reference.kind}.{name}'

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Call a method of what a reference is of."""
        reference, *rest = args
        if _OF_CLIENT.match(name):
            return None
        called = getattr(self._objects[reference.number], name)
        return self._given(called(*rest, **kw))

    def _given(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, list | tuple):
            return type(value)(map(self._given, value))
        if isinstance(value, dict):
            return {key: self._given(each) for key, each in value.items()}
        with self._lock:
            number = self._numbers.get(id(value))
            if number is None:
                number = self._numbers[id(value)] = len(self._objects)
                self._objects.append(value)
        return Reference(number, type(value).__name__)


def connection(client: wire.Client) -> Any:
    """Make what Nova's code takes for a connection."""
    return _Remote(client, Reference(_CONNECTION, 'Connection'))


class _Remote:
    def __init__(self, client: wire.Client, reference: Reference) -> None:
        self._client = client
        self._reference = reference

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kw: Any) -> Any:
            answer = self._client.call(
                NAME, name, self._reference, *args, **kw
            )
            return self._taken(answer)

        return call

    def _taken(self, value: Any) -> Any:
        if isinstance(value, Reference):
            return _Remote(self._client, value)
        if isinstance(value, list | tuple):
            return type(value)(map(self._taken, value))
        if isinstance(value, dict):
            return {key: self._taken(each) for key, each in value.items()}
        return value
