"""Simulated hosts by name."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from collections.abc import Mapping

from nova_gpuvirt.testing import description
from nova_gpuvirt.testing import simulated as _simulated
from nova_gpuvirt.testing.hosts import gvtg
from nova_gpuvirt.testing.hosts import h100
from nova_gpuvirt.testing.hosts import none
from nova_gpuvirt.testing.hosts import t4
from nova_gpuvirt.testing.hosts import workstation

HOSTS: Mapping[str, Callable[[], description.Host]] = {
    'gvtg': gvtg.host,
    'gvtg-1g': gvtg.host_1g,
    'h100': h100.host,
    'none': none.host,
    't4': t4.host,
    'workstation': workstation.host,
}


def names() -> tuple[str, ...]:
    """List the names, in order."""
    return tuple(sorted(HOSTS))


def simulated(name: str, root: pathlib.Path) -> _simulated.SimulatedHost:
    """Start a simulated host.

    :param root: a folder without a ``sys``; it is made if need be
    :raises LookupError: for a name that is not known
    """
    if name not in HOSTS:
        raise LookupError(
            f'{name!r} is no simulated host: choose one of '
            f'{", ".join(names())}'
        )
    return _simulated.SimulatedHost(HOSTS[name](), root)
