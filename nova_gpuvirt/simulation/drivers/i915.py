"""Intel's i915 with SR-IOV: the driver outside of the kernel's own tree.

It gives each VF a quota of what the card has, in the folder ``iov`` or
``prelim_iov`` of the PF's ``cardN``. VFs are counted from 1 there. The
folders of all VFs are there always, their ``device`` only while enabled.

Source: gt/iov/intel_iov_{sysfs,provisioning}.c and i915_sriov{,_sysfs}.c of
intel-gpu-i915-backports and of i915-sriov-dkms. Left out: thresholds, the
binary ``state``, what ``control`` does, and the quotas that a PF of the
former has as well.

Guesses: how much an idle card has free, and EIO for the quota of a VF that a
process holds: the driver hands it to the card's firmware, which refuses it
for a VF that runs. Where the real driver refuses a quota, the VF has lost the
one it had; here it keeps it. The real driver refuses ``sriov_numvfs`` with
ENOKEY while a VF has some quotas and lacks others; here it is obeyed. The
real driver shares a little less local memory, for its page tables.
"""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator

from nova_gpuvirt.simulation.drivers import intel
from nova_gpuvirt.simulation.drivers import pf_driver
from nova_gpuvirt.simulation.files import kstrto
from nova_gpuvirt.simulation.files.refusal import refusal

_CONTEXTS = 128
"""How contexts are given: the PF and its VFs share 512 times as many."""
_GGTT = 4 * intel.GIB


@dataclasses.dataclass(frozen=True, slots=True)
class Quotas:
    """What one function has of a card; 0 is none, and of times no limit.

    :param ggtt: bytes of the address space that all functions share
    :param lmem: bytes of local memory
    """

    ggtt: int = 0
    contexts: int = 0
    doorbells: int = 0
    lmem: int = 0
    exec_quantum_ms: int = 0
    preempt_timeout_us: int = 0

    @property
    def are_none(self) -> bool:
        """Tell whether it has nothing of what there is only so much of."""
        return not (self.ggtt or self.contexts or self.doorbells or self.lmem)


@dataclasses.dataclass(frozen=True, slots=True)
class _Resource:
    """Something of a card that its functions share.

    :param name: as in ``ggtt_quota``
    :param bits: of the numbers that are taken
    :param unit: quotas are multiples of it
    :param spare: what the PF keeps for itself, at the least
    :param spared: whether ``NAME_free`` is without the spare
    """

    name: str
    bits: int
    unit: int
    spare: int
    spared: bool


_RESOURCES = (
    _Resource('ggtt', 64, 4096, 64 * intel.MIB, spared=True),
    _Resource('contexts', 16, _CONTEXTS, 256, spared=True),
    _Resource('doorbells', 16, 1, 0, spared=False),
    _Resource('lmem', 64, 2 * intel.MIB, 128 * intel.MIB, spared=False),
)
_TIMES = ('exec_quantum_ms', 'preempt_timeout_us')


@dataclasses.dataclass(frozen=True, slots=True)
class I915(pf_driver.PfDriver):
    """A card whose VFs have quotas.

    :param total: how many VFs it can have
    :param card: its node, which the function's description has as well
    :param folder: ``iov`` or ``prelim_iov``, by the driver's release
    :param gt: ``gt`` where the card can't have several, ``gt0`` elsewhere
    :param lmem: bytes that an idle card has free, 0 for an iGPU
    :param quotas: what a service of the host's writes for VF 1, 2 and so on
        as soon as the driver has the card
    """

    total: int
    card: str
    folder: str
    gt: str
    lmem: int = 0
    quotas: tuple[Quotas, ...] = ()

    def at_load(self, vfs: int) -> I915:
        """Describe the card without quotas."""
        return dataclasses.replace(self, quotas=())

    def start(self, pf: pf_driver.Pf) -> Running:
        """Let the driver have the card."""
        return Running(self, pf)

    @property
    def resources(self) -> tuple[_Resource, ...]:
        """List what the functions of this card share."""
        return _RESOURCES if self.lmem else _RESOURCES[:-1]

    def free(self, resource: _Resource) -> int:
        """Tell how much an idle card has, with the spare."""
        share = 512 // (1 + self.total) * self.total
        return {
            'ggtt': _GGTT - 128 * intel.MIB,
            'contexts': share * _CONTEXTS + resource.spare,
            'doorbells': 256,
            'lmem': self.lmem,
        }[resource.name]


class Running(pf_driver.Running):
    """The driver of one card.

    :ivar functions: the quotas of the PF and of VF 1, 2 and so on
    """

    def __init__(self, card: I915, pf: pf_driver.Pf) -> None:
        super().__init__(pf)
        self.card = card
        given = (Quotas(), *card.quotas)
        rest = 1 + card.total - len(given)
        self.functions = [*given, *(Quotas() for _ in range(rest))]
        self._spares = {r.name: r.spare for r in _RESOURCES}
        self._policies = {
            'engine_reset': 0,
            'sample_period_ms': 0,
            'sched_if_idle': 0,
        }
        self._auto = not card.quotas
        self._split = False

    def files(self) -> Iterator[pf_driver.File | pf_driver.Link]:
        """Give the folder of the card, with those of all its functions."""
        root = self._root
        yield pf_driver.File(f'{root}/mode', 'SR-IOV PF\n')
        yield _file(f'{root}/pf/auto_provisioning', int(self._auto), 0o644)
        place = self.pf.place(self.pf.address)
        yield pf_driver.Link(f'{root}/pf/device', place)
        yield from self._of_pf(f'{root}/pf/{self.card.gt}')
        for number in range(1, 1 + self.card.total):
            yield from self._of_vf(f'{root}/vf{number}', number)

    def store(self, path: str, text: str) -> None:
        """Do what a write to one of the files does.

        :raises OSError: EINVAL for what is no number or truth value, and for
            a spare that is too small; ERANGE for too large a number; EDQUOT
            or E2BIG for more than is free; EIO for the quota of a VF that a
            process holds; ESTALE for ``auto_provisioning`` while a VF has a
            quota
        """
        parts = path.removeprefix(f'{self._root}/').split('/')
        function = 0 if parts[0] == 'pf' else int(parts[0][2:])
        kind, _, suffix = parts[-1].rpartition('_')
        resource = next((r for r in _RESOURCES if r.name == kind), None)
        if parts[-1] in _TIMES:
            self._set_time(function, parts[-1], kstrto.number(text))
        elif resource and suffix == 'quota':
            wanted = kstrto.number(text, resource.bits)
            self._set_quota(function, resource, wanted)
        elif resource and suffix == 'spare':
            self._set_spare(resource, kstrto.number(text, resource.bits))
        elif parts[-1] == 'auto_provisioning':
            self._set_auto(kstrto.truth(text))
        elif parts[-1] == 'sample_period_ms':
            self._policies[parts[-1]] = kstrto.number(text)
        elif parts[-1] in self._policies:
            self._policies[parts[-1]] = int(kstrto.truth(text))
        else:
            super().store(path, text)

    def enabled(self) -> None:
        """Share the card equally, or take that back.

        What was written is neither overwritten nor taken back.
        """
        count = len(self.pf.vfs)
        if not count and self._split:
            self.functions[1:] = [Quotas() for _ in self.functions[1:]]
            self._split = False
        elif count and self._auto:
            first = self.functions[1 : 1 + count]
            if all(quotas.are_none for quotas in first):
                self._share(count)

    @property
    def _root(self) -> str:
        place = self.pf.place(self.pf.address)
        return f'{place}/drm/{self.card.card}/{self.card.folder}'

    def _of_pf(self, gt: str) -> Iterator[pf_driver.File]:
        for resource in self.card.resources:
            name = resource.name
            available = self._available(resource)
            free = self._left(resource)
            if resource.spared:
                free = available
            yield _file(f'{gt}/{name}_spare', self._spares[name], 0o644)
            yield _file(f'{gt}/available/{name}_free', free)
            yield _file(f'{gt}/available/{name}_max_quota', available)
        for name, value in self._policies.items():
            yield _file(f'{gt}/policies/{name}', value, 0o644)
        for name in _TIMES:
            value = getattr(self.functions[0], name)
            yield _file(f'{gt}/{name}', value, 0o644)

    def _of_vf(
        self, folder: str, number: int
    ) -> Iterator[pf_driver.File | pf_driver.Link]:
        yield _file(f'{folder}/id', number)
        yield pf_driver.File(f'{folder}/control', '', 0o200)
        if number <= len(self.pf.vfs):
            place = self.pf.place(self.pf.vfs[number - 1])
            yield pf_driver.Link(f'{folder}/device', place)
        names = [f'{r.name}_quota' for r in self.card.resources]
        for name in (*names, *_TIMES):
            field = name.removesuffix('_quota')
            value = getattr(self.functions[number], field)
            yield _file(f'{folder}/{self.card.gt}/{name}', value, 0o644)

    def _share(self, count: int) -> None:
        for resource in self.card.resources:
            fair = self._available(resource) // count
            fair = intel.down(fair, resource.unit)
            for number in range(1, 1 + count):
                self._set(number, resource.name, fair)
        self._split = True

    def _set_time(self, function: int, name: str, value: int) -> None:
        self._set(function, name, value)
        if function and value:
            self._auto = False

    def _set_quota(self, number: int, resource: _Resource, size: int) -> None:
        before = getattr(self.functions[number], resource.name)
        wanted = intel.up(size, resource.unit)
        if wanted != before:
            if self._is_held(number):
                raise refusal(errno.EIO, f'VF{number} is in use')
            if resource.name == 'ggtt' and wanted > _GGTT:
                raise refusal(errno.E2BIG, f'{size} is more than all')
            if wanted > before + self._available(resource):
                raise refusal(errno.EDQUOT, f'{size} is more than is free')
            self._set(number, resource.name, wanted)
        if before or size:
            self._auto = False

    def _set_spare(self, resource: _Resource, size: int) -> None:
        if size and size < resource.spare:
            raise refusal(errno.EINVAL, f'{size} is below {resource.spare}')
        self._spares[resource.name] = max(size, resource.spare)

    def _set_auto(self, value: bool) -> None:
        given = [n for n, q in enumerate(self.functions) if not q.are_none]
        if value and not self._auto and given:
            raise refusal(errno.ESTALE, f'VF{given[0]} has quotas')
        self._auto = value

    def _set(self, function: int, field: str, value: int) -> None:
        quotas = self.functions[function]
        self.functions[function] = dataclasses.replace(
            quotas, **{field: value}
        )

    def _left(self, resource: _Resource) -> int:
        given: int = sum(getattr(q, resource.name) for q in self.functions)
        return self.card.free(resource) - given

    def _available(self, resource: _Resource) -> int:
        """Tell how much a VF without a quota could have."""
        left = self._left(resource) - self._spares[resource.name]
        return intel.down(left, resource.unit)

    def _is_held(self, number: int) -> bool:
        vfs = self.pf.vfs
        return number <= len(vfs) and vfs[number - 1] in self.pf.held


def _file(path: str, value: int, mode: int = 0o444) -> pf_driver.File:
    return pf_driver.File(path, f'{value}\n', mode)
