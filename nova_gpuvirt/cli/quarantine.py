"""nova-gpuvirt quarantine."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from cliff import lister

from nova_gpuvirt.cli import remembered
from nova_gpuvirt.cli import where
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record

_COLUMNS = ('Address', 'By', 'Since', 'Reason')


class Quarantine(lister.Lister):
    """Give no further guest anything of a card; list the cards of that kind.

    As root, where nova-compute runs: it follows with its next update, within
    a minute, and needs no restart. Servers that have the card keep it, and
    the log of nova-compute names them. "nova-gpuvirt release" ends it, and
    nothing else does. The card need not be there.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which card, and why."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'address',
            nargs='?',
            type=where.card,
            metavar='ADDRESS',
            help='put this card into quarantine (default: list those in it)',
        )
        parser.add_argument(
            '--reason',
            type=_sentence,
            default='no reason was given',
            metavar='TEXT',
            help='why, for the log and for who looks next',
        )
        remembered.add_arguments(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Remember it, and list what is remembered then."""
        known = remembered.Remembered(parsed_args.config_file)
        if parsed_args.address is not None:
            card, is_there = known.card(parsed_args.address)
            if not is_there:
                print(f'No card is at {card} now.', file=self.app.stderr)
            new = record.Quarantine(
                parsed_args.reason,
                record.now(),
                record.By.OPERATOR,
            )
            known.records.change(card, lambda one: one.put(new))
        return _COLUMNS, [
            (str(card), one.by.value, one.since, one.reason)
            for card, found in known.records.read().items()
            if (one := quarantine.of(found)) is not None
        ]


def _sentence(text: str) -> str:
    """Read a reason: it becomes a part of lines of the log.

    :raises ArgumentTypeError: when it is more than a line, or nothing
    """
    text = text.strip()
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError(f'{text!r} is not one line of text')
    return text
