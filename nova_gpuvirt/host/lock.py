"""One lock of a host, for whoever changes its GPUs.

nova-compute's changes share it, since they don't disturb each other. A
program that needs cards for itself holds it alone, as long as it runs.

It is flock(2) on the folder ``sys``: every user can open that, and nothing has
to be made, or is left when a process ends. Containers share it when they share
the host's network namespace, as Kolla's do: each of those has its own sysfs
(kernel fs/sysfs/mount.c).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

from nova_gpuvirt import exception

_FOLDER = 'sys'
_PAUSE = 0.1  # seconds


class Lock:
    """The lock of a host.

    :param root: the folder that holds the host's ``sys``
    """

    def __init__(self, root: str | os.PathLike[str] = '/') -> None:
        self._folder = os.path.join(root, _FOLDER)

    def shared(self, seconds: float) -> AbstractContextManager[None]:
        """Hold it with others that share it.

        :param seconds: how long to wait for who holds it alone
        :raises Locked: when it is still held then
        """
        return self._held(fcntl.LOCK_SH, seconds)

    def alone(self, seconds: float) -> AbstractContextManager[None]:
        """Hold it against all others.

        :param seconds: how long to wait for them
        :raises Locked: when it is still held then
        """
        return self._held(fcntl.LOCK_EX, seconds)

    @contextlib.contextmanager
    def _held(self, how: int, seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            while not _taken(folder, how):
                if time.monotonic() >= until:
                    raise exception.Locked(
                        'this host',
                        wanted='to change its GPUs',
                        found=f'that another program has locked them for '
                        f'{seconds:g} s',
                        remedy='wait until `nova-gpuvirt prove` ends here, or '
                        'stop nova-compute before it starts',
                    )
                time.sleep(_PAUSE)
            yield
        finally:
            os.close(folder)


def _taken(folder: int, how: int) -> bool:
    try:
        fcntl.flock(folder, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
