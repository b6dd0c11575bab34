"""nova-gpuvirt discover."""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import os_resource_classes as orc
from cliff import columns
from cliff import lister

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import reasons as reasons_
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated

_COLUMNS = (
    'Address',
    'GPU',
    'Driver',
    'NUMA',
    'IOMMU',
    'Companions',
    'VFs',
    'PGPU',
    'VGPU',
    'VGPU is',
    'Profiles',
    'Sessions',
    'Sets',
    'Not offered because',
)


class Maybe(columns.FormattableColumn[Any]):
    """A value that may be missing: null for programs, nothing for people."""

    def human_readable(self) -> str:
        """Leave out what is missing."""
        return '' if self._value is None else str(self._value)


class Lines(columns.FormattableColumn[list[str]]):
    """Items that stand below each other in a table."""

    def human_readable(self) -> str:
        """Put each on its own line."""
        return '\n'.join(self._value)


class Profiles(columns.FormattableColumn[dict[str, int]]):
    """The profiles' own classes: their number, or the amount of each."""

    def human_readable(self) -> str:
        """Count them."""
        return str(len(self._value) or '')


class Sets(columns.FormattableColumn[dict[str, list[str]]]):
    """The sets that a card is in, by class: their sizes."""

    def human_readable(self) -> str:
        """Name the sizes, with how many there are of one."""
        return ', '.join(
            rc.rpartition('_')[2]
            + (f' ({len(sets)}x)' if len(sets) > 1 else '')
            for rc, sets in self._value.items()
        )


class Discover(lister.Lister):
    """List the GPUs of a host, what each offers, and if not, why not.

    It reads sysfs only and changes nothing. What instances have claimed is
    Nova's to know: this is what the hardware says.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add where to look."""
        parser = super().get_parser(prog_name)
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            '--root',
            default='/',
            metavar='FOLDER',
            help='a folder with a copy of a host\'s "sys" (default: /)',
        )
        where.add_argument(
            '--simulate',
            choices=hosts.names(),
            metavar='HOST',
            help=f'a simulated host: {", ".join(hosts.names())}',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        """Find the GPUs and lay them out as rows."""
        with ExitStack() as stack:
            root = pathlib.Path(parsed_args.root)
            if not (root / 'sys').is_dir():
                raise exception.InvalidOption(
                    '--root',
                    wanted='a folder that holds "sys"',
                    found=repr(str(root)),
                    remedy='leave it out, to look at this machine',
                )
            if parsed_args.simulate:
                root = pathlib.Path(
                    stack.enter_context(
                        tempfile.TemporaryDirectory(dir=simulated.memory())
                    )
                )
                host = hosts.simulated(parsed_args.simulate, root)
                run: commands.Run = root_.Root(host).run
            else:
                run = commands.of(root)
            tree = sysfs.Sysfs(root)
            seen = machine.Machine(
                tree,
                pciids.PciIds((root, pathlib.Path('/'))),
                hypervisor.Absent(),
                run,
            )
            found = gpus.Gpus(seen, operator_filter.OperatorFilter()).survey(
                refresh=True
            )
            if not found.gpus:
                self.app.stderr.write(_why_none(tree, found))
        return _COLUMNS, _rows(found)


def _rows(host: discovery.Host) -> Iterator[tuple[Any, ...]]:
    gpus_by_address = {gpu.address: gpu for gpu in host.gpus}
    in_sets: dict[model.Device, list[model.CardSet]] = {}
    not_in_sets: dict[model.Device, list[str]] = {}
    for fabric in host.fabrics:
        for card, reason in fabric.reasons.items():
            not_in_sets[card] = [f'not in sets: {reason}']
        for cards in topology.can_be(fabric, gpus_by_address):
            for card in cards.cards:
                in_sets.setdefault(card, []).append(cards)
    for gpu in host.gpus:
        function = gpu.function
        yield (
            str(gpu.address),
            f'{gpu.vendor} {gpu.model}'.strip(),
            Maybe(function and function.driver),
            Maybe(function and function.numa_node),
            Maybe(function and function.iommu_group),
            Lines([str(f.address) for f in gpu.companions]),
            Maybe(function and len(function.virtfns)),
            *_offers(gpu),
            _sets(in_sets.get(gpu.address, ())),
            Lines(reasons_.reasons(gpu) + not_in_sets.get(gpu.address, [])),
        )
    for address, reason in host.unreadable.items():
        yield (
            *(str(address), Maybe(None), Maybe(None), Maybe(None)),
            *(Maybe(None), Lines([]), Maybe(None), Maybe(None)),
            *(Maybe(None), Maybe(None), Profiles({}), Maybe(None)),
            Sets({}),
            Lines([reason]),
        )


def _sets(found: Iterable[model.CardSet]) -> Sets:
    """Gather sets by class, the small ones first."""
    by_class: dict[str, list[str]] = {}
    for cards in sorted(found, key=lambda s: (len(s.cards), s)):
        by_class.setdefault(cards.resource_class, []).append(
            str(model.Slot(model.SET, cards))
        )
    return Sets(by_class)


def _offers(gpu: model.Gpu) -> tuple[Any, ...]:
    """Fill the columns from PGPU to Sessions."""
    default = default_profile.of(gpu, ())
    free = {
        offer.resource_class: offer.count
        for offer in offers.offers(gpu, (), default)
    }
    return (
        Maybe(free.pop(orc.PGPU, None)),
        Maybe(free.pop(orc.VGPU, None)),
        Maybe(default.slug if default else None),
        Profiles(
            {rc: n for rc, n in free.items() if rc != model.SESSION_CLASS}
        ),
        Maybe(free.get(model.SESSION_CLASS)),
    )


def _why_none(tree: sysfs.Sysfs, host: discovery.Host) -> str:
    count = len(tree.addresses())
    reasons = [
        f'none of its {count} PCI functions is a display controller or '
        'processing accelerator (class 0300, 0302, 0380 or 1200)'
        if count
        else f'it has no PCI functions below {tree.root}/sys/bus/pci/devices'
    ]
    if not host.has_iommu:
        reasons.append('and it has no IOMMU, so none could be given whole')
    return f'This host has no GPU: {", ".join(reasons)}.\n'
