"""A host's kernel and commands, for a nova-compute in another process."""

from __future__ import annotations

import errno
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from nova_gpuvirt.host import commands
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated as simulated_
from nova_gpuvirt.simulation.apart import wire

NAME = 'host'

# Of `rootonly.Rootly`, what changes nothing; `run` is no root's, and asks.
_READS = frozenset(
    {
        'card_openers',
        'config_space',
        'gpu_instance_profiles',
        'gpu_instances',
        'kernel_log',
        'openers',
        'read',
        'run',
    }
)


class Host:
    """The host's side: what root does there, and what its commands say."""

    def __init__(self, host: simulated_.SimulatedHost) -> None:
        self._root = root_.Root(host)

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name a call that changes something."""
        return None if name in _READS else f'kernel {name}'

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> Any:
        """Do what root does, or run a command."""
        return getattr(self._root, name)(*args, **kw)


class RemoteRoot:
    """Root on the host, as `rootonly.Rootly` has it."""

    def __init__(self, client: wire.Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        return functools.partial(self._client.call, NAME, name)

    def run(self, argv: Sequence[str]) -> str:
        """Run a command of the host.

        :raises CommandFailed: as there
        """
        output = self._client.call(NAME, 'run', list(argv))
        assert isinstance(output, str)
        return output


def commands_of(client: wire.Client) -> commands.Run:
    """Tell how the host's commands are run."""
    return RemoteRoot(client).run


class Files:
    """What nova-compute remembers in files: it tells before it writes."""

    NAME = 'files'

    def step(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Name the change of a file."""
        return f'file {name}'

    def call(self, name: str, args: tuple[Any, ...], kw: Any) -> None:
        """Take note."""


_CHANGES = {
    'os.rename': 'replace',
    'os.remove': 'remove',
    'os.mkdir': 'mkdir',
    'os.rmdir': 'rmdir',
}


class Watch:
    """Tell of each change below a folder, before it is made.

    It is an audit hook of Python's (PEP 578), which knows no "after": that is
    before the next step.
    """

    def __init__(self, client: wire.Client, folder: pathlib.Path) -> None:
        self._client = client
        self._folder = folder

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """See what Python is about to do."""
        change = _CHANGES.get(event)
        if change is not None and self._is_below(args):
            self._client.call(Files.NAME, change)

    def _is_below(self, args: tuple[Any, ...]) -> bool:
        path, *rest = args
        folder = rest[-1] if rest else -1
        try:
            place = pathlib.Path(str(path))
            if isinstance(folder, int) and folder >= 0:
                place = pathlib.Path(f'/proc/self/fd/{folder}').resolve()
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return place.is_relative_to(self._folder)
