"""Inputs that make sense: what hosts have printed, and hosts themselves."""

from __future__ import annotations

import functools
import pathlib
import tempfile

from nova_gpuvirt import gpus
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import recording
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root

OUTPUTS = pathlib.Path(__file__).parent.parent / 'tests/fixtures/outputs'
_SIMULATED = ('t4', 'a100-mig', 'mi300x', 'flex170', 'gvtg', 'l40s')


def outputs(*globs: str) -> list[str]:
    """Read what commands and drivers have printed.

    :param globs: the names of files in ``tests/fixtures/outputs``
    """
    return [
        path.read_text()
        for glob in globs
        for path in sorted(OUTPUTS.glob(glob))
    ]


@functools.cache
def captures() -> tuple[document.Document, ...]:
    """Capture some simulated hosts."""
    return tuple(map(_captured, _SIMULATED))


def _captured(name: str) -> document.Document:
    with tempfile.TemporaryDirectory() as folder:
        host = hosts.simulated(name, pathlib.Path(folder))
        as_root = root.Root(host)
        taken = recording.Recording(
            machine.Machine(
                sysfs.Sysfs(folder, as_root),
                pciids.PciIds([pathlib.Path(folder)]),
                hypervisor.Absent(),
                as_root.run,
            )
        )
        gpus.survey(taken.machine)
        return taken.document({})


def surveyed(host: machine.Machine) -> discovery.Host:
    """Survey a captured host."""
    return gpus.survey(host)
