"""The cloud of this clone, which the VM's nova-compute can join."""

from __future__ import annotations

from lab import commands
from lab import exception
from lab import steps
from lab.host import places

# The host's name there, and in the VM.
_NAME = (places.SOURCES / 'files/etc/hostname').read_text().strip()
_PYTHON = places.CLONE / '.venv-cloud/bin/python'


def runs() -> bool:
    """Say whether all of it runs."""
    if not _PYTHON.exists():
        return False
    try:
        _cloud('status')
    except exception.CommandFailed:
        return False
    return True


def nova_conf() -> str:
    """Have it write the VM's nova.conf.

    :raises CommandFailed: when it can't
    """
    return _cloud('compute-conf', '--host', _NAME)


def wait_for_gpus() -> None:
    """Wait until servers can be scheduled to the VM's GPUs.

    :raises CommandFailed: when it takes too long
    """
    with steps.step('the cloud has its GPUs'):
        _cloud('wait-for-gpus', '--host', _NAME)


def _cloud(*words: str) -> str:
    return commands.output(
        _PYTHON, '-m', 'lab.cloud', *words, folder=places.CLONE
    )
