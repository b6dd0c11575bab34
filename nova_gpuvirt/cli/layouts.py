"""What the commands about cards and their layout have in common."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Collection
from collections.abc import Sequence
from contextlib import ExitStack

from cliff import command

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import paragraph
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import layout_file
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.cli import where
from nova_gpuvirt.host import files
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import survey

_REMEDY = 'run this on the host as root, or name the layout with --layout'


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """A host, its cards with what they shall be, and what no card is."""

    machine: machine_.Machine
    cards: tuple[survey.Card, ...]
    unused: tuple[document.Entry, ...]


class CardsCommand(command.Command):
    """A command about the cards of a host."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which host, and which cards."""
        parser = super().get_parser(prog_name)
        where.add_arguments(parser)
        parser.add_argument(
            'addresses',
            nargs='*',
            metavar='ADDRESS',
            type=where.card,
            help='cards to look at (default: all)',
        )
        return parser

    def look_without(
        self, parsed_args: argparse.Namespace, stack: ExitStack
    ) -> Looked:
        """Look at the cards, whatever they shall be.

        :param stack: ends a simulated host
        :raises GpuvirtError: when there is no such host or card
        """
        machine = where.find(parsed_args, stack)
        return _look(machine, parsed_args.addresses, document.NONE)

    def say(self, text: str) -> None:
        """Print a text, if there is any."""
        if text:
            print(text, file=self.app.stdout, flush=True)


class LayoutCommand(CardsCommand):
    """A command about the layout of a host."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which file."""
        parser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            '--layout',
            type=pathlib.Path,
            metavar='FILE',
            help='what the cards shall be (default: the file of that host '
            f'that its nova-compute follows, which is {document.PLACE} or '
            "nova.conf's [gpuvirt]layout)",
        )
        which.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='FILE',
            help='a nova.conf, as nova-compute has it; may be repeated '
            '(default: those below /etc/nova of that host)',
        )
        return parser

    def look(
        self, parsed_args: argparse.Namespace, stack: ExitStack
    ) -> Looked | None:
        """Read the layout, and look at the cards.

        :param stack: ends a simulated host
        :returns: None where there is no layout, which is said then
        :raises GpuvirtError: when there is no such file, host or card, or
            the file says what can't be
        """
        addresses = parsed_args.addresses
        if parsed_args.layout is not None:
            layout = _named(parsed_args.layout)
            return _look(where.find(parsed_args, stack), addresses, layout)
        machine = None
        root = where.folder(parsed_args)
        if root is None:
            machine = where.find(parsed_args, stack)
            root = machine.sysfs.root
        name = _followed(root, parsed_args.config_file)
        followed = _read(root, name)
        if followed is None:
            self.say(paragraph.fill(f'{layout_file.why_nothing(name)}.'))
            return None
        # Only now, since libvirt is asked then: while the host starts it may
        # be waiting for this very command.
        machine = machine or where.find(parsed_args, stack)
        return _look(machine, addresses, followed)


def _look(
    machine: machine_.Machine,
    addresses: Collection[str],
    layout: document.Layout,
) -> Looked:
    """Look at the cards that are named, or all.

    :raises InvalidOption: when one that is named is not there
    """
    gpus = discovery.of(machine).gpus
    cards = survey.survey(machine, _chosen(gpus, addresses), layout)
    return Looked(machine, cards, layout.unused(gpus))


def _named(file: pathlib.Path) -> document.Layout:
    """Read a layout of this machine.

    :raises InvalidLayout: when it is not there, or says what can't be
    """
    if not file.is_file():
        raise exception.InvalidLayout(
            str(file),
            wanted='a file',
            found='none',
            remedy='leave the option out, to read the one of the host',
        )
    return document.read(file)


def _followed(root: files.Files, named: Sequence[str]) -> str:
    """Tell which layout nova-compute follows on a host.

    :param named: files of this machine in place of the host's nova.conf
    :raises InvalidOption: when that is not known, since nova.conf can't be
        read, or nova-compute couldn't read it
    """
    conf = nova_conf.of(root, named)
    wrong = [
        f'/{path} is no file of options, {why}'
        for path, why in conf.wrong.items()
    ]
    for why in (*conf.unseen.values(), *wrong):
        raise exception.InvalidOption(
            '[gpuvirt]layout',
            wanted='nova.conf, which may name another file',
            found=why,
            remedy=_REMEDY,
        )
    try:
        return nova_conf.text(conf, 'layout')
    except finding.Unseen as error:
        raise exception.InvalidOption(
            '[gpuvirt]layout',
            wanted='the name of a file',
            found=str(error),
            remedy=_REMEDY,
        ) from error


def _read(root: files.Files, name: str) -> document.Layout | None:
    """Read a layout of a host, None where there is none.

    :raises InvalidLayout: when it can't be read, or says what can't be
    """
    try:
        return layout_file.read(root, name)
    except finding.Unseen as error:
        raise exception.InvalidLayout(
            name,
            wanted='a file that can be read',
            found=str(error),
            remedy=_REMEDY,
        ) from error


def _chosen(
    gpus: Collection[model.Gpu], addresses: Collection[str]
) -> list[model.Gpu]:
    """Choose the cards that are named, or all.

    :raises InvalidOption: when one that is named is not there
    """
    if not addresses:
        return list(gpus)
    found = {str(gpu.address): gpu for gpu in gpus}
    for address in addresses:
        if address not in found:
            raise exception.InvalidOption(
                'ADDRESS',
                wanted='a GPU of this host',
                found=repr(address),
                remedy=f'name one of {", ".join(found) or "none"}',
            )
    return [found[address] for address in addresses]
