"""Resets of PCI functions that root asks for, and what it reads of them.

The kernel waits up to a minute for a function after a reset
(``PCIE_RESET_READY_POLL_MS`` of drivers/pci/pci.c), and may never come back
from a device that does not answer. While it resets a function it lets nobody
read the function's configuration space (``pci_cfg_access_lock`` of
drivers/pci/access.c): who reads waits in state D. So neither is waited for
without end, and a function whose last reset has not returned is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TypeVar

from nova_gpuvirt import model
from nova_gpuvirt.host import bounded

SECONDS = 240.0
"""How long a reset may take.

Linux 6.12 was seen to try an FLR, the slot and the bus of a card that did not
come back, each for some 70 seconds.
"""
READ_SECONDS = 20.0
"""How long reading a configuration space may take."""

_MOST = 256  # functions that one bus can have

_T = TypeVar('_T')


class FunctionResets:
    """Who resets the functions of one host, each once at a time.

    Its methods raise ValueError for what is no address.

    :param read: reads a function's configuration space
    :param reset: resets a function
    :param reset_bus: resets functions with the bus that they are on
    :param seconds: how long a reset may take
    """

    def __init__(
        self,
        read: Callable[[model.PciAddress], bytes],
        reset: Callable[[model.PciAddress], None],
        reset_bus: Callable[[Sequence[model.PciAddress]], None],
        seconds: float = SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._read = read
        self._reset = reset
        self._reset_bus = reset_bus
        self._seconds = seconds
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._resetting: set[model.PciAddress] = set()
        self._reading: set[model.PciAddress] = set()

    def config_space(self, address: str) -> bytes:
        """Read a function's configuration space, as far as the host has it.

        :raises OSError: as the kernel answers; EBUSY while a reset of it has
            not returned, or another reading; ETIMEDOUT
        """
        function = model.PciAddress.parse(address)
        self._check_rest([function])
        return self._alone(
            self._reading,
            [function],
            'reading its configuration space',
            functools.partial(self._read, function),
            self._read_seconds,
        )

    def reset_function(self, address: str) -> None:
        """Reset one function, in the ways that ``reset_method`` lists.

        :raises OSError: as the kernel answers: ENOTTY where it has no way, or
            none has brought the function back; EBUSY while the last reset of
            it has not returned; ETIMEDOUT, and it may be reset later
        """
        function = model.PciAddress.parse(address)
        self._alone(
            self._resetting,
            [function],
            'the last reset of it',
            functools.partial(self._reset, function),
            self._seconds,
        )

    def reset_bus(self, addresses: Sequence[str]) -> None:
        """Reset functions with their bus; all on it must be in their groups.

        :raises OSError: as `hot_reset.reset` says; EBUSY and ETIMEDOUT as
            `reset_function` has them
        """
        if not 0 < len(addresses) <= _MOST:
            raise ValueError(f'{len(addresses)} functions of one bus')
        functions = [model.PciAddress.parse(a) for a in addresses]
        self._alone(
            self._resetting,
            functions,
            'the last reset of it',
            functools.partial(self._reset_bus, functions),
            self._seconds,
        )

    def _check_rest(self, functions: Sequence[model.PciAddress]) -> None:
        with self._lock:
            _refuse_any(self._resetting, functions, 'the last reset of it')

    def _alone(
        self,
        at_work: set[model.PciAddress],
        functions: Sequence[model.PciAddress],
        what: str,
        call: Callable[[], _T],
        seconds: float,
    ) -> _T:
        """Call in time, unless the last such call has not returned."""
        with self._lock:
            _refuse_any(at_work, functions, what)
            at_work.update(functions)

        def run() -> _T:
            with self._ending(at_work, functions):
                return call()

        try:
            return bounded.in_time(run, seconds)
        except RuntimeError:  # the machine can start no thread
            with self._ending(at_work, functions):
                raise
        except TimeoutError as error:
            if error.errno is not None:  # the kernel's own
                raise
            names = ', '.join(map(str, functions))
            raise TimeoutError(
                errno.ETIMEDOUT, f'{names}: the kernel gives {error}'
            ) from error

    @contextlib.contextmanager
    def _ending(
        self,
        at_work: set[model.PciAddress],
        functions: Sequence[model.PciAddress],
    ) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                at_work.difference_update(functions)


def _refuse_any(
    at_work: set[model.PciAddress],
    functions: Sequence[model.PciAddress],
    what: str,
) -> None:
    for function in functions:
        if function in at_work:
            raise OSError(
                errno.EBUSY, f'{function}: {what} has not returned yet'
            )
