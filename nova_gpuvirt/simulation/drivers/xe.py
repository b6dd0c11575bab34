"""Intel's xe with SR-IOV.

It shares the card's memory equally when VFs are enabled, unless one of them
has a quota already. Since Linux 6.19 a PF has the folder ``sriov_admin``,
with the quotas since 7.0; before, they are in debugfs alone, which has
another layout since 6.19. VFs are counted from 1. The folders of all VFs are
there always, their ``device`` only while enabled.

Source: the kernel's Documentation/ABI/testing/sysfs-driver-intel-xe-sriov
and drivers/gpu/drm/xe/xe_{sriov_pf_{sysfs,provision,debugfs},
gt_sriov_pf_{config,debugfs},tile_sriov_pf_debugfs}.c. Of debugfs only what
is about memory is here, and its files can be read by root alone; the real
ones have mode 0644, in a folder that nobody else can enter.

Guesses: ENOSPC for more than is free (ENOMEM in other releases), and that
the card's firmware takes a VF for running as long as a process holds it.
Where the real driver refuses a quota, the VF has lost the one it had; here
it keeps it, and so do all VFs when ``.bulk_profile/vram_quota`` is refused.
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterable
from collections.abc import Iterator

from nova_gpuvirt.simulation.drivers import intel
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.files import kstrto
from nova_gpuvirt.simulation.files.refusal import refusal

_SRIOV_ADMIN = (6, 19)
_SYSFS_QUOTAS = (7, 0)
_UNIT = 2 * intel.MIB
_MIN_SPARE = 128 * intel.MIB
_TIMES = ('exec_quantum_ms', 'preempt_timeout_us')
_PRIORITIES = ('low', 'normal', 'high')


@dataclasses.dataclass(frozen=True, slots=True)
class Xe(pf_driver.PfDriver):
    """A card whose VFs have quotas of its memory.

    :param total: how many VFs it can have
    :param kernel: the release that the driver is of, as (6, 19)
    :param usable: bytes of video memory, and `free` what of them an idle
        card has free
    """

    total: int
    kernel: tuple[int, int]
    usable: int
    free: int

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the card."""
        return Running(self, pf)


class Running(pf_driver.Running):
    """The driver of one card.

    :ivar quotas: bytes of video memory, by the number of the VF from 1
    """

    def __init__(self, card: Xe, pf: pf_driver.Pf) -> None:
        super().__init__(pf)
        self.card = card
        self.quotas: dict[int, int] = {}
        self._times: dict[tuple[int, str], int] = {}
        self._priorities: dict[int, int] = {}
        self._spare = _MIN_SPARE
        self._custom = False

    def files(self) -> Iterator[pf_driver.File | pf_driver.Link]:
        """Give ``sriov_admin`` and what there is in debugfs."""
        if self.card.kernel >= _SRIOV_ADMIN:
            yield from self._of_admin()
            restore = f'{self._debugfs}/sriov/restore_auto_provisioning'
            yield pf_driver.File(restore, '', 0o200)
        yield _file(self._in_debugfs(0), self._spare, 0o600)
        for number in self._vfs():
            quota = self.quotas.get(number, 0)
            yield _file(self._in_debugfs(number), quota, 0o600)

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of the files does.

        :raises OSError: EINVAL for what is no number, truth value or
            priority, and for a spare that is too small; ERANGE for too large
            a number; ENOSPC for more memory than is free; EIO for the quota
            of a VF that a process holds; EBUSY for automatic quotas while
            VFs are enabled. ``sched_priority`` of a VF is not writable at
            all.
        """
        folder = f'{self._admin}/'
        if path.startswith(folder):
            function, *_, name = path.removeprefix(folder).split('/')
            self._store_admin(function, name, text)
        elif path.endswith('/restore_auto_provisioning'):
            self._restore(kstrto.truth(text))
        elif path == self._in_debugfs(0):
            self._set_spare(kstrto.number(text, 64))
            self._custom = self.card.kernel >= _SRIOV_ADMIN
        else:
            number = next(
                n for n in self._vfs() if path == self._in_debugfs(n)
            )
            self._set_quotas([number], kstrto.number(text, 64))
            self._custom = self.card.kernel >= _SRIOV_ADMIN

    def enabled(self) -> None:
        """Share the memory equally, or take it all back.

        Once a quota was written in debugfs, that is left to who writes them
        there, since Linux 6.19.
        """
        if self._custom:
            return
        count = len(self.pf.vfs)
        if not count:
            self.quotas.clear()
            self._times = {k: v for k, v in self._times.items() if not k[0]}
        elif not any(self.quotas.get(n) for n in range(1, 1 + count)):
            fair = self._fair(count)
            self.quotas |= dict.fromkeys(range(1, 1 + count), fair)

    @property
    def _admin(self) -> str:
        return f'{self.pf.place(self.pf.address)}/sriov_admin'

    @property
    def _debugfs(self) -> str:
        return f'sys/kernel/debug/dri/{self.pf.address}'

    def _vfs(self) -> range:
        return range(1, 1 + self.card.total)

    def _in_debugfs(self, number: int) -> str:
        """Give the file for the memory of a function, 0 being the PF."""
        function = f'vf{number}' if number else 'pf'
        kind = 'quota' if number else 'spare'
        if self.card.kernel >= _SRIOV_ADMIN:
            return f'{self._debugfs}/sriov/{function}/tile0/vram_{kind}'
        return f'{self._debugfs}/gt0/{function}/lmem_{kind}'

    def _of_admin(self) -> Iterator[pf_driver.File | pf_driver.Link]:
        bulk = [*_TIMES, 'sched_priority']
        if self.card.kernel >= _SYSFS_QUOTAS:
            bulk.append('vram_quota')
        for name in bulk:
            path = f'{self._admin}/.bulk_profile/{name}'
            yield pf_driver.File(path, '', 0o200)
        devices = [self.pf.address, *self.pf.vfs]
        for number in (0, *self._vfs()):
            folder = f'{self._admin}/{f"vf{number}" if number else "pf"}'
            if number < len(devices):
                place = self.pf.place(devices[number])
                yield pf_driver.Link(f'{folder}/device', place)
            if number:
                yield pf_driver.File(f'{folder}/stop', '', 0o200)
            yield from self._of_profile(f'{folder}/profile', number)

    def _of_profile(
        self, folder: str, number: int
    ) -> Iterator[pf_driver.File]:
        for name in _TIMES:
            value = self._times.get((number, name), 0)
            yield _file(f'{folder}/{name}', value, 0o644)
        chosen = self._priorities.get(number, 0)
        words = [
            f'[{word}]' if n == chosen else word
            for n, word in enumerate(_priorities(number))
        ]
        yield pf_driver.File(
            f'{folder}/sched_priority',
            f'{" ".join(words)}\n',
            0o444 if number else 0o644,
        )
        if number and self.card.kernel >= _SYSFS_QUOTAS:
            quota = self.quotas.get(number, 0)
            yield _file(f'{folder}/vram_quota', quota, 0o644)

    def _store_admin(self, function: str, name: str, text: str) -> None:
        """Do what a write in ``sriov_admin`` does, to one function or all."""
        functions: Iterable[int]
        if function == '.bulk_profile':
            functions = (0, *self._vfs())
        else:
            functions = [0 if function == 'pf' else int(function[2:])]
        if name in _TIMES:
            value = kstrto.number(text)
            self._times |= {(n, name): value for n in functions}
        elif name == 'vram_quota':
            vfs = [n for n in functions if n]
            self._set_quotas(vfs, kstrto.number(text, 64))
        elif name == 'sched_priority':
            choices = _priorities(max(functions))
            self._priorities |= dict.fromkeys(
                functions, _choice(text, choices)
            )
        else:
            # A VF that is stopped looks like any other.
            kstrto.truth(text)

    def _set_quotas(self, vfs: list[int], size: int) -> None:
        devices = dict(enumerate(self.pf.vfs, 1))
        held = [n for n in vfs if devices.get(n) in self.pf.held]
        wanted = intel.up(size, _UNIT)
        quotas = self.quotas | dict.fromkeys(vfs, wanted)
        if any(self.quotas.get(n) for n in held):
            raise refusal(errno.EIO, f'VF{held[0]} is in use')
        if wanted and sum(quotas.values()) > self.card.free:
            raise refusal(errno.ENOSPC, f'{size} is more than is free')
        self.quotas = quotas

    def _set_spare(self, size: int) -> None:
        if size and size < _MIN_SPARE:
            raise refusal(errno.EINVAL, f'{size} is below {_MIN_SPARE}')
        self._spare = max(size, _MIN_SPARE)

    def _restore(self, value: bool) -> None:
        if not value or not self._custom:
            return
        if self.pf.vfs:
            raise refusal(errno.EBUSY, 'VFs must be disabled')
        self.quotas.clear()
        self._custom = False

    def _fair(self, count: int) -> int:
        """Tell what each VF gets of the memory.

        Since Linux 7.0 that is a power of two which other cards of the kind
        will have free too, so that VFs can migrate.
        """
        left = self.card.free - sum(self.quotas.values()) - self._spare
        fair = intel.down(intel.down(left, _UNIT) // count, _UNIT)
        if self.card.kernel < _SYSFS_QUOTAS:
            return fair
        whole = intel.down(self.card.usable - _MIN_SPARE, intel.GIB)
        each = whole // (1 + count)
        return min(fair, 1 << each.bit_length() - 1 if each else 0)


def _priorities(function: int) -> tuple[str, ...]:
    """List what a function may have: ``high`` is for the PF."""
    return _PRIORITIES[:2] if function else _PRIORITIES


def _choice(text: str, choices: tuple[str, ...]) -> int:
    word = text.removesuffix('\n')
    if word not in choices:
        raise refusal(errno.EINVAL, f'{text!r} is none of {choices}')
    return choices.index(word)


def _file(path: str, value: int, mode: int = 0o444) -> pf_driver.File:
    return pf_driver.File(path, f'{value}\n', mode)
