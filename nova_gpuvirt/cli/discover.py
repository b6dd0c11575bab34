"""nova-gpuvirt discover."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from cliff import lister
from cliff.formatters import base

from nova_gpuvirt import gpus
from nova_gpuvirt import paragraph
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cli import cells
from nova_gpuvirt.cli import fitted
from nova_gpuvirt.cli import one_card
from nova_gpuvirt.cli import overview
from nova_gpuvirt.cli import remembered
from nova_gpuvirt.cli import where
from nova_gpuvirt.host import sysfs

_FOR_PEOPLE = 'table'
# These have no lists and maps.
_FLAT = ('csv', 'value')
# How wide sentences are where no terminal says it.
_WIDTH = 80


class Discover(lister.Lister):
    """List the GPUs of a host, what each offers, and if not, why not.

    With an ADDRESS it shows one card whole. It reads and changes nothing.
    What instances have claimed is Nova's to know: this is what the hardware
    says.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which card, how much of it, and where to look."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'address',
            nargs='?',
            type=where.card,
            metavar='ADDRESS',
            help='show this card alone, whole: its PCI address, or that of a '
            'VF or companion of it, or its render node',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='show all columns in the table; other formats have them',
        )
        where.add_arguments(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Find the GPUs, and lay them out as rows, or one as fields."""
        with ExitStack() as stack:
            host = where.find(parsed_args, stack)
            self._found = gpus.survey(
                host, remembered.quarantine_of(parsed_args)
            )
            if not self._found.gpus:
                why = _why_none(host.sysfs, self._found)
                width = fitted.width(parsed_args) or _WIDTH
                print(paragraph.fill(why, width=width), file=self.app.stderr)
        if parsed_args.address is not None:
            self._card = one_card.find(self._found, parsed_args.address)
            known = one_card.fields(self._found, self._card)
            if parsed_args.formatter in _FLAT:
                del known[one_card.DETAILS]
            return tuple(known), (tuple(known.values()),)
        names = _columns(parsed_args)
        return names, tuple(
            tuple(row[name] for name in names)
            for row in overview.rows(self._found)
        )

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write them, and for people below it what wants a word."""
        if parsed_args.formatter in _FLAT:
            data = [tuple(map(cells.flat, row)) for row in data]
        elif parsed_args.formatter == _FOR_PEOPLE:
            self.formatter = fitted.Fitted()
        width = fitted.width(parsed_args) or _WIDTH
        if parsed_args.address is not None:
            parsed_args.max_width = width
            self._show_one(parsed_args, column_names, data)
            return 0
        super().produce_output(parsed_args, column_names, data)
        if tuple(column_names) == overview.SHORT:
            self._say(overview.notes(self._found, width))
        return 0

    def _show_one(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> None:
        """Show one card, as fields where the format knows of any."""
        if not isinstance(self.formatter, base.SingleFormatter):
            super().produce_output(parsed_args, column_names, data)
            return
        names, selected = self._generate_columns_and_selector(
            parsed_args, column_names
        )
        (row,) = data
        known = dict(zip(column_names, row, strict=True))
        whole = selected is None and parsed_args.formatter == _FOR_PEOPLE
        if whole:
            known = one_card.in_short(known)
            names = list(known)
        out = self.app.stdout
        self.formatter.emit_one(
            names, [known[name] for name in names], out, parsed_args
        )
        if not whole:
            return
        profiles = one_card.profiles(self._card)
        if profiles:
            fitted.Fitted().emit_list(
                one_card.PROFILE_COLUMNS, profiles, out, parsed_args
            )
        width = parsed_args.max_width
        self._say(one_card.below(self._found, self._card, width))

    def _say(self, text: str) -> None:
        if text:
            print(text, file=self.app.stdout)


def _columns(parsed_args: argparse.Namespace) -> Sequence[str]:
    """Choose the columns of the list: few for people who want no more."""
    if parsed_args.formatter != _FOR_PEOPLE or parsed_args.long:
        return overview.COLUMNS
    if parsed_args.columns:
        return (*overview.COLUMNS, overview.PARTS)
    return overview.SHORT


def _why_none(tree: sysfs.Sysfs, host: discovery.Host) -> str:
    count = len(tree.addresses())
    reasons = [
        f'none of its {count} PCI functions is a display controller or '
        'processing accelerator (class 0300, 0302, 0380 or 1200)'
        if count
        else 'it has no PCI functions below /sys/bus/pci/devices'
    ]
    if not host.has_iommu:
        reasons.append('and it has no IOMMU, so none could be given whole')
    return f'This host has no GPU: {", ".join(reasons)}.'
