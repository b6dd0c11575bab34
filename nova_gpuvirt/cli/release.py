"""nova-gpuvirt release."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cliff import command

from nova_gpuvirt import model
from nova_gpuvirt.cli import remembered
from nova_gpuvirt.cli import where
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record


class Release(command.Command):
    """End the quarantine of a card, whoever put it there.

    As root, where nova-compute runs: it follows with its next update, within
    a minute. A card that is sick still goes there again, and what could not be
    cleaned is cleaned once more.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which card."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'address',
            type=where.card,
            metavar='ADDRESS',
            help='the card, as "nova-gpuvirt quarantine" lists it',
        )
        parser.add_argument(
            '--clean',
            action='store_true',
            help='take for clean what is dirty of it and no server has any '
            'more, as after you have cleaned it yourself, or taken it away; '
            'nova-compute obeys when it does not just clean it',
        )
        remembered.add_arguments(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Remember it no more, and say what was."""
        known = remembered.Remembered(parsed_args.config_file)
        card = _card(known, parsed_args.address)
        before = known.records.read().get(card, record.NOTHING)
        after = known.records.change(
            card, _released(is_clean=parsed_args.clean)
        )
        was = quarantine.of(before)
        if parsed_args.clean:
            for one in after.dirty:
                print(
                    f'{one.slot}, which is dirty after {one.instance}, is '
                    'taken for clean when nova-compute looks, unless a server '
                    'has it',
                    file=self.app.stdout,
                )
        print(
            f'{card} was in no quarantine'
            if was is None
            else f'{card} is in quarantine no more: {quarantine.told(was)}',
            file=self.app.stdout,
        )
        return 0


def _released(*, is_clean: bool) -> Callable[[record.Record], record.Record]:
    """End a quarantine, and let be tried again what could not be cleaned."""

    def released(one: record.Record) -> record.Record:
        one = one.released(record.By.OPERATOR)
        return one.taken_for_clean() if is_clean else one.to_be_tried()

    return released


def _card(known: remembered.Remembered, name: str) -> model.PciAddress:
    """Tell which card is meant: first of those that are remembered."""
    device = model.parse_device(name)
    if isinstance(device, model.PciAddress) and device in known.records.read():
        return device
    card, _ = known.card(name)
    return card
