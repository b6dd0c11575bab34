"""A nova-compute in another process, as who has started it sees it."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing import process as process_
from typing import Any

from nova_gpuvirt.simulation.apart import compute
from nova_gpuvirt.simulation.apart import gate as gate_
from nova_gpuvirt.simulation.apart import messages
from nova_gpuvirt.simulation.apart import orders
from nova_gpuvirt.simulation.apart import wire

# How long a killed process may take to end, in seconds.
_END = 30.0
# It chooses between eventlet and threads, and so comes first.
_FIRST = 'nova.tests.functional'


@functools.cache
def _forks() -> Any:
    """Make forks of one that has imported Nova, and has no thread.

    Under eventlet Python has no such way.
    """
    return multiprocessing.get_context('forkserver')


def prepare() -> None:
    """Start the process of which each nova-compute is a fork.

    Its folder is to outlive the test that is the first to need it.
    """
    _forks().set_forkserver_preload([_FIRST, compute.__name__])
    forkserver.ensure_running()


class Process:
    """A nova-compute that runs, until it is killed.

    :param host: its host
    :param world: what it can call beside messages and orders, by name
    :param settings: makes its settings, of the address of its socket
    """

    def __init__(
        self,
        host: str,
        folder: Any,
        gate: gate_.Gate,
        world: Mapping[str, wire.Service],
        settings: Callable[[str], compute.Settings],
    ) -> None:
        self.host = host
        self._gate = gate
        self._child: process_.BaseProcess | None = None
        self._orders = orders.Orders(self._is_over)
        self._server = wire.Server(
            folder,
            host,
            {
                **world,
                messages.NAME: messages.Messages(self._is_over),
                orders.NAME: self._orders,
            },
            gate,
        )
        self._settings = settings(self._server.address)

    def start(self) -> None:
        """Start it, and wait until it has reported its host.

        :raises Failed: when it does not start, or was killed meanwhile
        """
        self._child = _forks().Process(
            target=compute.main, args=[self._settings], daemon=True
        )
        self._child.start()
        self._orders.wait(orders.STARTED)

    @property
    def is_running(self) -> bool:
        """Tell whether it has not been killed."""
        return self._child is not None and not self._is_over()

    def order(self, name: str, *args: Any) -> Any:
        """Let it do or tell something.

        :raises Failed: when it does not, or was killed meanwhile
        """
        return self._orders.give(name, *args)

    def stop(self) -> None:
        """Kill it, and wait until it has ended."""
        if self._child is not None and self._child.pid is not None:
            self._gate.kill(self._child.pid)
            self._child.join(_END)
            self._child = None
        self._server.close()

    # Nova's harness ends a service in this way
    kill = stop

    def _is_over(self) -> bool:
        child = self._child
        return child is not None and self._gate.is_dead(child.pid)
