"""Ports of 127.0.0.1 on this machine."""

from __future__ import annotations

import pathlib
import re
import socket

from lab import commands

ADDRESS = '127.0.0.1'

_USER = re.compile(r'"([^"]+)",pid=(\d+)')


def free() -> int:
    """Find a port that nobody has."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def holder(port: int) -> str:
    """Say which process listens on a port, and in which folder it runs."""
    listed = commands.output('ss', '-Hltnp', f'sport = :{port}')
    found = _USER.search(listed)
    if not found:
        return 'a process of another user, or one that ended just now'
    folder = pathlib.Path(f'/proc/{found[2]}/cwd').readlink()
    return f'process {found[2]}, {found[1]}, in {folder}'
