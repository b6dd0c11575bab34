"""The kernel's log, as far as it tells of PCI devices and GPUs.

``/dev/kmsg`` gives a record a read, from the oldest that is kept on:
``PRIORITY,SEQUENCE,TIME,FLAGS;TEXT``, and below it lines that begin with a
space. A priority is eight times the facility, and a level. Who writes there
can't choose facility 0, the kernel's own: "it is not possible to inject
messages from userspace with the facility number LOG_KERN (0)" (kernel
Documentation/ABI/testing/dev-kmsg). So what is read here the kernel has said,
or a driver in it.

Where ``kernel.dmesg_restrict`` is 1, it is read by who has CAP_SYSLOG
(``check_syslog_permissions`` of kernel/printk/printk.c).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

PLACE = '/dev/kmsg'
MOST = 1000
"""How many lines one call hands back; the next one goes on behind them."""
_LONGEST = 500  # characters of a line
# Of one record: CONSOLE_EXT_LOG_MAX, later PRINTK_MESSAGE_MAX, is less.
_RECORD = 8192
_KERNEL = 0  # LOG_KERN
_HEAD = re.compile(rb'(\d{1,10}),(\d{1,20}),[^;]*;([^\n]*)')
ADDRESS = r'[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]'
# How a line begins that is of a GPU, or may be: NVIDIA's driver, its NVSwitch
# driver, and what the kernel says of a PCI function (dev_printk).
_WANTED = re.compile(
    r'NVRM: Xid \(|nvidia-nvswitch\d{1,3}: SXid \('
    rf'|[\w-]{{1,32}} {ADDRESS}: (AER: |PCIe Bus Error: |not ready '
    r'|Unable to change power state |\[drm\] (\*ERROR\* )?CRITICAL: '
    r'|(amdgpu: )?(GPU reset|RAS records:|.{0,80}uncorrectable hardware ))'
)

Records = Callable[[], Iterator[bytes]]
"""Gives the records that are there, from the oldest on.

:raises OSError: when they can't be read
"""
Found = tuple[int, Sequence[str]]
"""The sequence number to go on from, and the lines."""


def read(records: Records, start: int | None) -> Found:
    """Read the lines from a sequence number on.

    A log that has not come that far is another one, since a restart of the
    host: it is read from its beginning.

    :param start: None for the end, so that no line is handed back
    :raises OSError: when the log can't be read
    """
    if start is not None and (not isinstance(start, int) or start < 0):
        raise ValueError(f'{start!r} is no sequence number')
    end = 0
    lines: list[str] = []
    for number, text in _of_the_kernel(records()):
        end = number + 1
        if start is None or number < start or text is None:
            continue
        lines.append(text)
        if len(lines) == MOST:
            return end, lines
    if start is not None and end < start:
        return read(records, 0) if end else (0, [])
    return end, lines


def _of_the_kernel(
    records: Iterator[bytes],
) -> Iterator[tuple[int, str | None]]:
    """Give each record's number, and its line if that is wanted."""
    for record in records:
        head = _HEAD.match(record)
        if head is None:
            continue
        text = None
        if int(head[1]) >> 3 == _KERNEL:
            line = head[3].decode(errors='replace')[:_LONGEST]
            if _WANTED.match(line):
                text = ''.join(c if c.isprintable() else '?' for c in line)
        yield int(head[2]), text


def of_this_host() -> Iterator[bytes]:
    """Read the records of this host's kernel, and wait for none.

    :raises OSError: ENOENT where a container has no such node, EPERM without
        the capability
    """
    log = os.open(PLACE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while True:
            try:
                yield os.read(log, _RECORD)
            except BlockingIOError:  # it is at the end
                return
            except OSError as error:
                # The kernel wrote over the next one, and goes on behind it.
                if error.errno != errno.EPIPE:
                    raise
    finally:
        os.close(log)
