"""Find the GPUs of a host with eight cards of 48 VFs among 500 functions.

The peer is lspci (pciutils) on the same simulated sysfs: ``-D -vmm -k -nn``
prints of every function its address, class, ids, subsystem, driver, NUMA node
and IOMMU group, which is what our walk reads of the functions that it
keeps. Both read the same pci.ids, or neither does (lspci ``-n``). lspci's
time is that of its whole process; ours leaves the start of Python out.

What guests can be given, and the lists of types that NVIDIA's driver makes
for each of 384 VFs, are read at each boot; lspci knows nothing of them.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess

from benchmarks import command
from benchmarks import hosts
from benchmarks import table
from benchmarks import timing
from nova_gpuvirt import gpus
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.vendors import nvidia_vfs

_MS = 1000
# What the design asks for: at most twice the peer's time.
_TARGET = table.ratio_at_most(2)
_SYSTEM = (pathlib.Path('/'),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('--repeats', type=int, default=15, metavar='N')


def run(args: argparse.Namespace) -> table.Table:
    """Measure it."""
    with hosts.started(hosts.vfs()) as host:
        power = root_.Root(host)
        seen = sysfs.Sysfs(host.root, power)
        names = pciids.PciIds(_SYSTEM)
        found = discovery.discover(seen, names).gpus
        own = gpus.Gpus(
            machine.Machine(seen, names, hypervisor.Absent(), power.run),
            operator_filter.OperatorFilter(),
        )
        own.survey(refresh=True)
        contestants = {
            'walk': lambda: discovery.discover(seen, names),
            'lspci -n': lambda: _lspci(host.root, '-n'),
            'walk and names': lambda: discovery.discover(
                seen, pciids.PciIds(_SYSTEM)
            ),
            'lspci': lambda: _lspci(host.root, '-nn'),
            'survey': own.survey,
            'lists': lambda: [nvidia_vfs.read(seen, gpu) for gpu in found],
        }
        seconds = timing.medians(contestants, args.repeats)
        ms = {name: _MS * s for name, s in seconds.items()}
        functions = len(seen.addresses())
    vfs = sum(len(gpu.virtfns) for gpu in found)
    return table.Table(
        f'Discovery: {len(found)} cards, {vfs} VFs, {functions} functions',
        (
            table.Row('find GPUs', 'ms', ms['walk'], ms['lspci -n'], _TARGET),
            table.Row(
                'read pci.ids and find GPUs',
                'ms',
                ms['walk and names'],
                ms['lspci'],
                _TARGET,
                note='once, when nova-compute or the command starts',
            ),
            table.Row(
                'and what each can give',
                'ms',
                ms['survey'],
                ms['lspci -n'],
                note="in each periodic update, under Nova's lock",
            ),
            table.Row(
                "of that, NVIDIA's files of each VF",
                'ms',
                ms['lists'],
                note="simulated: a driver's own time is not in it",
            ),
        ),
    )


def _lspci(root: pathlib.Path, names: str) -> None:
    subprocess.run(
        ['lspci', '-O', f'sysfs.path={root}/sys/bus/pci']
        + ['-D', '-vmm', '-k', names],
        check=True,
        stdout=subprocess.DEVNULL,
        # It misses the kernel's modules, which the folder does not have.
        stderr=subprocess.DEVNULL,
    )


if __name__ == '__main__':
    command.main(run, __doc__, add_arguments)
