"""Calls of one process to another, over a socket of Unix.

Each thread of the caller has a connection, so calls do not wait for each
other. What is called raises in the caller what it raises.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pickle
import threading
from collections.abc import Mapping
from multiprocessing import connection as connection_
from typing import Any
from typing import Protocol

from nova_gpuvirt.simulation.apart import gate as gate_

# Connections that wait to be taken: each thread of a caller makes one.
_BACKLOG = 128


class Service(Protocol):
    """What can be called."""

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name what a call does to the world, None for one that only reads.

        What is not known to read is a step: so a new one counts unasked.
        """

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Do it."""


class Client:
    """Who calls.

    :param address: the socket's path
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._of_thread = threading.local()

    def call(self, service: str, name: str, *args: Any, **kw: Any) -> Any:
        """Call something, and wait for its answer."""
        connection = getattr(self._of_thread, 'connection', None)
        if connection is None:
            connection = connection_.Client(self._address, 'AF_UNIX')
            connection.send(os.getpid())
            self._of_thread.connection = connection
        connection.send((service, name, args, kw))
        is_well, value = connection.recv()
        if is_well:
            return value
        raise value


class Server:
    """Who is called by the processes of one host.

    :param folder: where the socket is made
    :param gate: which each call passes that does something
    """

    def __init__(
        self,
        folder: pathlib.Path,
        host: str,
        services: Mapping[str, Service],
        gate: gate_.Gate,
    ) -> None:
        self.address = str(folder / f'{host}.sock')
        self._host = host
        self._services = services
        self._gate = gate
        self._is_closed = False
        self._listener = connection_.Listener(
            self.address, 'AF_UNIX', _BACKLOG
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more calls."""
        if self._is_closed:
            return
        self._is_closed = True
        # A thread in accept(2) holds the socket until somebody comes.
        connection_.Client(self.address, 'AF_UNIX').close()
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=[connection], daemon=True
            ).start()

    def _serve(self, connection: connection_.Connection) -> None:
        """Answer the calls of one thread, until its process has ended."""
        with connection, contextlib.suppress(EOFError, OSError):
            pid = connection.recv()
            while True:
                answer = self._answer(pid, *connection.recv())
                if answer is None:
                    return
                connection.send(answer)

    def _answer(
        self, pid: int, service: str, name: str, args: Any, kw: Any
    ) -> tuple[bool, Any] | None:
        """Answer one call; None to a process that was killed meanwhile."""
        called = self._services[service]
        step = called.step(name, args)
        try:
            with self._gate.passed(self._host, pid, step):
                return _of_call(called, name, args, kw)
        except gate_.Killed:
            return None


def _of_call(
    called: Service, name: str, args: Any, kw: Any
) -> tuple[bool, Any]:
    try:
        return True, called.call(name, args, kw)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return False, RuntimeError(repr(error))
        return False, error
