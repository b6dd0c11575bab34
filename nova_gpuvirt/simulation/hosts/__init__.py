"""Simulated hosts by name."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from collections.abc import Mapping

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import simulated as _simulated
from nova_gpuvirt.simulation.hosts import a16
from nova_gpuvirt.simulation.hosts import a40
from nova_gpuvirt.simulation.hosts import a100_mig
from nova_gpuvirt.simulation.hosts import accelerators
from nova_gpuvirt.simulation.hosts import alder_lake
from nova_gpuvirt.simulation.hosts import apu
from nova_gpuvirt.simulation.hosts import battlemage
from nova_gpuvirt.simulation.hosts import epyc
from nova_gpuvirt.simulation.hosts import flex
from nova_gpuvirt.simulation.hosts import gvtd
from nova_gpuvirt.simulation.hosts import gvtg
from nova_gpuvirt.simulation.hosts import h100
from nova_gpuvirt.simulation.hosts import h100_mig
from nova_gpuvirt.simulation.hosts import h100_nvl
from nova_gpuvirt.simulation.hosts import hgx_b200
from nova_gpuvirt.simulation.hosts import hgx_h100
from nova_gpuvirt.simulation.hosts import hgx_h200
from nova_gpuvirt.simulation.hosts import l40s
from nova_gpuvirt.simulation.hosts import mi300x
from nova_gpuvirt.simulation.hosts import mi300x_hive
from nova_gpuvirt.simulation.hosts import mixed
from nova_gpuvirt.simulation.hosts import navi
from nova_gpuvirt.simulation.hosts import none
from nova_gpuvirt.simulation.hosts import off_bus
from nova_gpuvirt.simulation.hosts import rtx_pro_6000
from nova_gpuvirt.simulation.hosts import s7150x2
from nova_gpuvirt.simulation.hosts import t4
from nova_gpuvirt.simulation.hosts import v710
from nova_gpuvirt.simulation.hosts import vgem
from nova_gpuvirt.simulation.hosts import workstation

HOSTS: Mapping[str, Callable[[], description.Host]] = {
    'a100-mig': a100_mig.host,
    'a16': a16.host,
    'a40': a40.host,
    'accelerators': accelerators.host,
    'alder-lake': alder_lake.host,
    'alder-lake-no-vfs': alder_lake.host_without_vfs,
    'apu': apu.host,
    'b50': battlemage.host_b50,
    'b60': battlemage.host_b60,
    'domain-1': rtx_pro_6000.host_in_domain_1,
    'epyc': epyc.host,
    'flex140': flex.host_140,
    'flex170': flex.host_170,
    'gvtd': gvtd.host,
    'gvtg': gvtg.host,
    'gvtg-1g': gvtg.host_1g,
    'h100': h100.host,
    'h100-mig': h100_mig.host,
    'h100-nvl': h100_nvl.host,
    'hgx-b200': hgx_b200.host,
    'hgx-h100': hgx_h100.host,
    'hgx-h200': hgx_h200.host,
    'l40s': l40s.host,
    'mi300x': mi300x.host,
    'mi300x-hive': mi300x_hive.host,
    'mixed': mixed.host,
    'navi': navi.host,
    'none': none.host,
    'off-bus': off_bus.host,
    'rtx-pro-6000': rtx_pro_6000.host,
    'rtx-pro-6000-mig': rtx_pro_6000.host_mig,
    's7150x2': s7150x2.host,
    't4': t4.host,
    'v710': v710.host,
    'vgem': vgem.host,
    'workstation': workstation.host,
}


def names() -> tuple[str, ...]:
    """List the names, in order."""
    return tuple(sorted(HOSTS))


def about(name: str) -> str:
    """Tell what a host has: ``four NVIDIA T4 with mdev types``.

    It is the first line of its description's docstring.
    """
    first = (HOSTS[name].__doc__ or '').partition('\n')[0]
    return first.removeprefix('Describe ').removesuffix('.')


def simulated(
    name: str, root: pathlib.Path, *, bare: bool = False
) -> _simulated.SimulatedHost:
    """Start a simulated host.

    :param root: a folder without a ``sys``; it is made if need be
    :param bare: whether nothing prepares its cards at a start
    :raises LookupError: for a name that is not known
    """
    if name not in HOSTS:
        raise LookupError(
            f'{name!r} is no simulated host: choose one of '
            f'{", ".join(names())}'
        )
    return _simulated.SimulatedHost(HOSTS[name](), root, bare=bare)
