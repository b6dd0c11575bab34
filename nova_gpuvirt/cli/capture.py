"""nova-gpuvirt capture."""

from __future__ import annotations

import argparse
import difflib
import os
import pathlib
import sys
from contextlib import ExitStack

from cliff import command

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import replay
from nova_gpuvirt.capture import taking
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cli import cells
from nova_gpuvirt.cli import overview
from nova_gpuvirt.cli import where


class Capture(command.Command):
    """Write what is read of this host's GPUs into one file, for others.

    It reads and changes nothing. What will be in the file is listed first:
    UUIDs, serial numbers and the host's name are replaced. "nova-gpuvirt
    discover", "plan" and "export" with "--root FILE" then say of this host
    what they say here; who has a card is not in the file.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what to look at, and where to write."""
        parser = super().get_parser(prog_name)
        where.add_arguments(parser)
        parser.add_argument(
            'file',
            type=pathlib.Path,
            metavar='FILE',
            help='a file that is not there yet',
        )
        parser.add_argument(
            '--yes',
            action='store_true',
            help='write it without asking',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Read, list, ask, and write."""
        file = parsed_args.file
        if os.path.lexists(file):
            raise exception.InvalidOption(
                'FILE',
                wanted='a file that is not there yet',
                found=repr(str(file)),
                remedy='name another one, or remove this one first',
            )
        # The name of its host is not in it any more, nor who took it.
        if not parsed_args.simulate and os.path.isfile(parsed_args.root):
            raise exception.InvalidOption(
                '--root',
                wanted='a host, or a folder that holds its "sys"',
                found=f'the file {parsed_args.root!r}',
                remedy='a capture is copied as it is',
            )
        with ExitStack() as stack:
            host = where.find(parsed_args, stack)
            taken = taking.take(host, _tell)
            text = document.dump(taken.document)
            print(taken.contents, file=self.app.stdout)
            _compare(taken.told, text)
        if not (parsed_args.yes or _agreed(file)):
            print(
                'Nothing was written: use --yes where nobody can be asked.',
                file=self.app.stdout,
            )
            return 1
        with open(file, 'x', opener=_for_its_owner) as out:
            out.write(text)
        size = f'{len(text) / 1024:.0f} KiB'
        print(f'Written to {file}, {size}.', file=self.app.stdout)
        return 0


def _tell(host: discovery.Host) -> str:
    """Print what `discover` says of a host, card by card."""
    return '\n'.join(
        repr([str(cells.value_of(cell)) for cell in row.values()])
        for row in overview.rows(host)
    )


def _compare(told: str, text: str) -> None:
    """See that the capture tells of the host what the host does.

    :param told: what was told of the host
    :raises InvalidCapture: when it does not
    """
    name = 'the capture'
    captured = replay.of(document.parse(text, name), name)
    with replay.sense(name):
        there = _tell(gpus.survey(captured))
    if there != told:
        lines = difflib.unified_diff(
            told.splitlines(), there.splitlines(), 'host', name, n=0
        )
        raise exception.InvalidCapture(
            name,
            wanted='that it says of the cards what the host does',
            found='\n'.join(lines),
            remedy='tell the makers of nova-gpuvirt',
        )


def _agreed(file: pathlib.Path) -> bool:
    """Ask; who can't be asked has not agreed."""
    if not sys.stdin.isatty():
        return False
    return input(f'Write it to {file}? [y/N] ').strip().lower() in ('y', 'yes')


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
