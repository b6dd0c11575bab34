"""nova-gpuvirt plan."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack

from nova_gpuvirt import model
from nova_gpuvirt.cli import layouts
from nova_gpuvirt.cli import remembered
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import making
from nova_gpuvirt.layout import report
from nova_gpuvirt.layout import users


class Plan(layouts.LayoutCommand):
    """Say what "apply" would do to the GPUs of a host, and what is lost.

    It changes nothing. A card that anything has waits, and says what for;
    what stopped servers have is known where libvirt has their guests.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Look, and print the steps of each card."""
        with ExitStack() as stack:
            looked = self.look(parsed_args, stack)
            if looked is not None:
                made = remembered.made(parsed_args)
                had = remembered.had(parsed_args)
                waits_for = dict(_users(looked, made, had))
                self.say(report.plan(looked.cards, looked.unused, waits_for))
        return 0


def _users(
    looked: layouts.Looked,
    made: in_force.InForce,
    had: Callable[[model.Device], str | None],
) -> Iterator[tuple[model.Device, str]]:
    for card in looked.cards:
        address = card.gpu.address
        if card.plan.steps and isinstance(address, model.PciAddress):
            try:
                left = making.why_left(card, made.of(card.gpu), had(address))
                user = left or users.of(looked.machine, address)
            except Exception as error:
                user = f'it can not be seen who has it: {error}'
            if user is not None:
                yield address, user
