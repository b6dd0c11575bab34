"""Claims that a look at a host decides, with nothing tried."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.proof import verdicts
from nova_gpuvirt.vendors import nvidia_vfs

# Fewer lists tell nothing of how long those of 48 take.
_MANY = 16
_SECONDS = 1.0
_MODES = re.compile(r'[sdqc]px-nps\d-1of\d+')

# A claim, and what speaks against it, None for nothing.
_Found = Iterator[tuple[str, str | None]]


def decided(
    sysfs: sysfs_.Sysfs, gpus: Collection[model.Gpu]
) -> tuple[verdicts.Verdict, ...]:
    """Decide what the cards of a host can decide, each claim once."""
    found: dict[str, list[str | None]] = {}
    for gpu in gpus:
        for question, against in _of(sysfs, gpu):
            found.setdefault(question, []).append(
                against and f'{gpu.address}: {against}'
            )
    return tuple(
        verdicts.Verdict(question, tuple(a for a in said if a), len(said))
        for question, said in found.items()
    )


def _of(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> _Found:
    if gpu.function is None or gpu.refusal is not None:
        return
    if gpu.is_nvidia:
        yield from _nvidia(sysfs, gpu)
    parts = [p.type_id for share in gpu.shares for p in share.profiles]
    if gpu.function.driver == 'gim' and parts:
        yield 'gim-modes', ', '.join(p for p in parts if not _is_mode(p))


def _is_mode(part: str) -> bool:
    return _MODES.fullmatch(part) is not None


def _nvidia(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> _Found:
    start = time.monotonic()
    vfs = nvidia_vfs.read(sysfs, gpu)
    seconds = time.monotonic() - start
    if len(vfs) >= _MANY:
        said = f'{len(vfs)} lists took {seconds:.1f} s'
        yield 'vf-lists-time', said if seconds > _SECONDS else None
    idle = next((vf.address for vf in vfs if vf.current == 0), None)
    if idle is not None:
        yield 'vf-ids-before', _why_not_enxio(sysfs, idle)


def _why_not_enxio(sysfs: sysfs_.Sysfs, vf: model.PciAddress) -> str | None:
    """Tell what a file says that has nothing to say yet."""
    try:
        said = sysfs.read(vf, nvidia_vfs.INSTANCE)
        return f'{nvidia_vfs.INSTANCE} of {vf} is {said!r}'
    except exception.SysfsError as error:
        cause = error.__cause__
        number = cause.errno if isinstance(cause, OSError) else None
        return None if number == errno.ENXIO else error.found
