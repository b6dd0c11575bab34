"""A host's kernel and commands, for a nova-compute in another process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

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
