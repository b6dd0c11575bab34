"""QEMU's monitor: what is told to the VM's machine while it runs.

It is QMP over a socket in the folder of what runs (QEMU's
docs/interop/qmp-spec.rst): one JSON object a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from lab import exception
from lab.host import places

_NAME = 'monitor.sock'
_SECONDS = 60.0


def options() -> list[str]:
    """Write the options of QEMU that open it."""
    return ['-qmp', f'unix:{_NAME},server=on,wait=off']


class Monitor:
    """A conversation with the monitor, which takes one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._said = connection.makefile('r', encoding='utf-8')
        self._said.readline()  # its greeting
        self._events: list[dict[str, Any]] = []
        self.execute('qmp_capabilities')

    def execute(self, command: str, **arguments: Any) -> Any:
        """Have a command executed, and give what it returns.

        :raises CommandFailed: when QEMU refuses it
        """
        told = {'execute': command, 'arguments': arguments}
        self._connection.sendall(f'{json.dumps(told)}\n'.encode())
        while True:
            said = self._next()
            if 'return' in said:
                return said['return']
            if 'error' in said:
                raise exception.CommandFailed(
                    f'{json.dumps(told)}: QEMU says {said["error"]["desc"]!r}'
                )
            self._events.append(said)

    def wait_for(self, event: str, device: str) -> None:
        """Wait for an event of a device, after what was executed.

        :raises NotReady: when QEMU has nothing to say for a minute
        """
        while True:
            said = self._events.pop(0) if self._events else self._next()
            if (
                said.get('event') == event
                and said['data'].get('device') == device
            ):
                return

    def _next(self) -> dict[str, Any]:
        try:
            line = self._said.readline()
        except TimeoutError:
            line = ''
        if not line:
            raise exception.NotReady(
                f"QEMU's monitor: wanted a word within {_SECONDS:.0f} s, "
                f'found none; see qemu.log in {places.RUN}'
            )
        said: dict[str, Any] = json.loads(line)
        return said


@contextlib.contextmanager
def opened() -> Iterator[Monitor]:
    """Open it.

    :raises NotReady: when the VM does not run
    """
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(_SECONDS)
        try:
            folder = os.open(places.RUN, os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            # The name of a socket has 107 bytes, which a clone's may exceed.
            connection.connect(f'/proc/self/fd/{folder}/{_NAME}')
        except OSError as error:
            raise exception.NotReady(
                f"QEMU's monitor: wanted the VM to run, found {error}; "
                '`make lab` starts it'
            ) from error
        yield Monitor(connection)
