"""What a GPU costs a server at its boot, and the cloud while it has none.

The seconds are those of a machine that emulates another: they tell what
takes longer than what, and no more.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable
from typing import Any

from lab import logs
from lab.host import calls
from lab.host import ssh
from lab.tests.host import base

_IDLE_SECONDS = 60
_ON_HOST = f'nova:{base.HOST}'
_JOURNAL = 'journalctl --unit nova-compute --output cat --quiet'


@dataclasses.dataclass(frozen=True, slots=True)
class Numbers:
    """What something took: seconds in all and of ours, and calls."""

    what: str
    seconds: float
    ours: float
    placement: int
    libvirt: int


class NumbersTest(base.HostTestCase):
    # A boot is seen to end within a part of a second.
    pause = 0.3

    def test_what_a_boot_and_an_idle_minute_take(self) -> None:
        with calls.counted() as libvirt_calls:
            idle = self._idle(libvirt_calls)
            plain, vgpu, whole = (
                self._boot(flavor, libvirt_calls)
                for flavor in ('plain', 'gpu.vgpu', 'gpu.whole')
            )
        _show(plain, vgpu, whole, idle)
        for numbers in (plain, vgpu, whole, idle):
            self.assertGreater(numbers.placement, 0, numbers.what)
            self.assertGreater(numbers.libvirt, 0, numbers.what)
        for numbers in (vgpu, whole, idle):
            self.assertGreater(numbers.ours, 0, numbers.what)
            self.assertLess(numbers.ours, numbers.seconds, numbers.what)

    def _idle(self, libvirt_calls: Callable[[], int]) -> Numbers:
        root = next(self.api.placement.resource_providers(name=base.HOST)).id
        providers = (root, *self.providers().values())
        before = libvirt_calls()
        begin = self._end_of_log()
        time.sleep(_IDLE_SECONDS)
        log = self._log_since(begin)
        after = libvirt_calls()
        journal = ssh.run(f'{_JOURNAL} --since=-{_IDLE_SECONDS}s')
        return Numbers(
            'an idle minute',
            _IDLE_SECONDS,
            logs.seconds(journal),
            logs.placement_calls_of_host(log, providers),
            after - before,
        )

    def _boot(self, flavor: str, libvirt_calls: Callable[[], int]) -> Numbers:
        log_begins = self._end_of_log()
        before = libvirt_calls()
        begin = time.monotonic()
        # Without a GPU it fits the cloud's own host too, and with one our
        # filter is to choose.
        where = {} if 'gpu' in flavor else {'availability_zone': _ON_HOST}
        server = self.wait_for(self.boot(flavor, **where), 'ACTIVE')
        seconds = time.monotonic() - begin
        after = libvirt_calls()
        request = self._request(server)
        journal = ssh.run(f'{_JOURNAL} --grep {request} || true')
        numbers = Numbers(
            flavor,
            seconds,
            logs.seconds(journal, request),
            logs.placement_calls(self._log_since(log_begins), request),
            after - before,
        )
        self.delete(server)
        return numbers

    def _request(self, server: Any) -> str:
        return next(
            str(one.request_id)
            for one in self.api.compute.server_actions(server)
            if one.action == 'create'
        )

    def _end_of_log(self) -> int:
        return int(self._log.stat().st_size)

    def _log_since(self, begin: int) -> str:
        with self._log.open('rb') as log:
            log.seek(begin)
            return log.read().decode(errors='replace')

    @property
    def _log(self) -> pathlib.Path:
        return pathlib.Path(self.cloud.log / 'placement.log')


def _show(*rows: Numbers) -> None:
    """Print a table; libvirt's calls have those of periodic tasks in them."""
    titles = ('', 'seconds', 'of ours', 'Placement', 'libvirt')
    print('\n{:16}{:>10}{:>10}{:>12}{:>10}'.format(*titles))
    for row in rows:
        print(
            f'{row.what:16}{row.seconds:10.1f}{row.ours:10.2f}'
            f'{row.placement:12}{row.libvirt:10}'
        )
