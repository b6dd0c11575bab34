"""The resets of the VM, as QEMU tells of them.

QEMU runs on when the VM is reset, and the console's log with it. A kernel
that is rebooted, or panics, says so there. A triple fault, an exception that
the processor can't deliver, resets the VM without a word of its kernel: that
is in QEMU's own log alone.
"""

from __future__ import annotations

import datetime
import json
import pathlib
import re
from typing import Any

from lab.host import places

# The first line of a kernel, which may follow on a prompt.
_BOOT = re.compile(r'\[ *0\.000000\] Linux version ')
_ESCAPE = re.compile(r'\x1b\[[0-9;?!]*[A-Za-z]|\r')
_LAST = 20  # lines
_FAULT = 'Triple fault'

_EVENTS = places.RUN / 'events.log'
_FAULTS = places.RUN / 'faults.log'
# What QEMU's monitor has to be told before it tells of events.
_ASKED = places.RUN / 'events.in'


def begin() -> list[str]:
    """Write the options of QEMU that let it tell, and what they name."""
    _ASKED.write_text('{"execute": "qmp_capabilities"}\n')
    return [
        *('-chardev', f'file,id=events,path={_EVENTS},input-path={_ASKED}'),
        *('-object', 'monitor-qmp,id=monitor,chardev=events'),
        *('-msg', 'timestamp=on', '-d', 'cpu_reset', '-D', str(_FAULTS)),
    ]


class Watch:
    """Tells of the resets since it was made."""

    def __init__(self) -> None:
        files = (_EVENTS, _FAULTS, places.CONSOLE)
        self._sizes = {file: file.stat().st_size for file in files}

    def told(self) -> str:
        """Say what is known of the resets, nothing where there was none."""
        return told(*(_read(*one) for one in self._sizes.items()))

    def told_of_a_fault(self) -> str:
        """Say the same, if a fault of the emulated processors was there."""
        said = self.told()
        return said if _FAULT in said else ''


def told(events: str, faults: str, console: str) -> str:
    """Say what is known of the resets of a time, nothing where none was.

    :param events: QEMU's in that time, one JSON object a line
    :param faults: its log of the processors' resets
    :param console: what the VM's console said
    """
    happened = [
        event
        for event in map(json.loads, events.splitlines())
        if event.get('event') in ('RESET', 'WATCHDOG')
    ]
    if not happened:
        return ''
    before = _ESCAPE.sub('', _BOOT.split(console)[0]).splitlines()
    return '\n'.join(
        (
            'the virtual host was reset. QEMU says:',
            *(f'  {_time(e)} {e["event"]} {e["data"]}' for e in happened),
            *(f'  {f}' for f in faults.splitlines() if _FAULT in f),
            'Its console said before, as far as it was watched:',
            *(f'  {line}' for line in before[-_LAST:] or ['(nothing)']),
        )
    )


def _read(file: pathlib.Path, begin: int) -> str:
    with file.open('rb') as opened:
        opened.seek(begin)
        return opened.read().decode(errors='replace')


def _time(event: dict[str, Any]) -> str:
    seconds = event['timestamp']['seconds']
    return f'{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%FT%TZ}'
