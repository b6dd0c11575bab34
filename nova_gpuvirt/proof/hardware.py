"""How a card is at one moment, to compare it with another."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.vendors import nvidia_vfs


def look(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> Mapping[str, str]:
    """Read what a guest's life may change of a card, by function and word.

    :raises SysfsError: when it can't be read
    """
    return dict(_look(sysfs, gpu))


def _look(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> Iterator[tuple[str, str]]:
    functions = [f.address for f in gpu.functions]
    for function in (*functions, *gpu.virtfns):
        driver = sysfs.link(function, 'driver')
        yield f'{function} driver', driver or 'none'
        override = sysfs.read_if_there(function, 'driver_override')
        yield f'{function} driver_override', override or '(null)'
        if nvidia_vfs.exists(sysfs, function):
            current = nvidia_vfs.current(sysfs, function)
            yield f'{function} vGPU type', str(current)
        for mdev in sysfs.mdevs.of(function):
            driver = sysfs.mdevs.driver(function, mdev)
            yield f'{function} mdev {mdev}', driver or 'none'


def changes(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[str, ...]:
    """Say what is otherwise than before."""
    return tuple(
        f'{word} is {after.get(word, "gone")}, and was '
        f'{before.get(word, "not there")}'
        for word in sorted({*before, *after})
        if before.get(word) != after.get(word)
    )
