"""The calls to the VM's libvirt, as its libvirtd logs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator

from lab import logs
from lab.host import ssh

_LOG = '/run/libvirt/calls.log'


@contextlib.contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Let libvirtd log its calls within, and give what counts those so far.

    It is told so while it runs, by its own admin interface, and then that
    its log is again as it was.

    :raises CommandFailed: when libvirtd does not take it
    """
    outputs = _setting('outputs')
    filters = _setting('filters')
    ssh.run(f'rm -f {_LOG}')
    _set('outputs', f'2:file:{_LOG}')
    _set('filters', '2:rpc.netserverclient')
    try:
        yield lambda: logs.libvirt_calls(ssh.run(f'cat {_LOG}'))
    finally:
        _set('filters', filters)
        _set('outputs', outputs)


def _setting(name: str) -> str:
    """Read a setting, from a line such as `Logging outputs: 1:journald`."""
    said = ssh.run(f'virt-admin daemon-log-{name}')
    return said.partition(':')[2].strip()


def _set(name: str, value: str) -> None:
    ssh.run(f"virt-admin daemon-log-{name} '{value}'")
