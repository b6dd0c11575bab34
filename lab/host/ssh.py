"""The way into the VM, and the VM's way to a cloud on this machine."""

from __future__ import annotations

import pathlib
import subprocess
import time
from collections.abc import Callable

from lab import commands
from lab import exception
from lab import waits
from lab.cloud import values
from lab.host import daemons
from lab.host import places

# The dispatcher of the package, a script, replaces itself with this.
_AUTOSSH = pathlib.Path('/usr/lib/autossh/autossh')
_CLOUD_PORTS = (
    values.KEYSTONE,
    values.NOVA_API,
    values.PLACEMENT,
    values.GLANCE,
    values.NEUTRON,
    values.RABBITMQ,
)

_OPTIONS = (
    *('-i', str(places.KEY / 'id')),
    # It has a new key each time it is built.
    *('-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'),
    *('-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=20'),
)
_HOST = 'root@127.0.0.1'


def make_key(target: pathlib.Path) -> None:
    """Make the key that the VM lets in."""
    commands.output(
        *('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab'),
        *('-f', target / 'id'),
    )


def command(*words: str) -> list[str]:
    """Write a command that runs another in the VM.

    :raises NotReady: when it was not started
    """
    return ['ssh', *_options(), _HOST, *words]


def run(*words: str, told: str = '') -> str:
    """Run a command in the VM.

    :raises CommandFailed: when it fails, or the VM can't be reached
    """
    return commands.output(*command(*words), told=told)


def wait(seconds: int, alive: Callable[[], bool]) -> bool:
    """Wait until the VM can be reached and has found all its devices.

    :param seconds: of a machine with little to do
    :param alive: whether there is still something to wait for
    :returns: False when it did not in time
    """
    bound = waits.Bound(seconds)
    while alive() and not bound.is_over():
        done = subprocess.run(
            command('udevadm', 'settle', '--timeout=300'),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if not done.returncode:
            return True
        time.sleep(1)
    return False


def start_forwards() -> None:
    """Let the VM reach a cloud's ports of this machine's as its own.

    They come back after a reboot of the VM.

    :raises CommandFailed: when they can't be started
    """
    forwards = (f'127.0.0.1:{p}:127.0.0.1:{p}' for p in _CLOUD_PORTS)
    daemons.start(
        'forwards',
        _AUTOSSH,
        *('-M', '0', '-N', *_options()),
        *('-o', 'ServerAliveInterval=10', '-o', 'ExitOnForwardFailure=yes'),
        *(word for forward in forwards for word in ('-R', forward)),
        _HOST,
        environment={'AUTOSSH_GATETIME': '0'},
    )


def stop_forwards() -> None:
    """End the VM's way to a cloud."""
    daemons.stop('forwards', _AUTOSSH)


def _options() -> tuple[str, ...]:
    if not places.PORT.exists():
        raise exception.NotReady(
            'the VM: wanted it to run, found that it was not started; '
            '`make lab` starts it'
        )
    return (*_OPTIONS, '-p', places.PORT.read_text())
