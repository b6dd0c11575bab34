"""nova-gpuvirt apply."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import time
from collections.abc import Callable
from contextlib import ExitStack

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cli import layouts
from nova_gpuvirt.cli import remembered
from nova_gpuvirt.host import lock
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import processes
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import making as making_
from nova_gpuvirt.layout import reading
from nova_gpuvirt.layout import report
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import users

_LOCK_SECONDS = 60
_PAUSE = 5.0


class Apply(layouts.LayoutCommand):
    """Make the GPUs of this host what the layout says.

    As root, where nova-compute does not run: one that runs does it itself.
    Each step is looked at before and after. What fails of one card is no
    other card's. A card that a guest has, or had and is not clean yet, is let
    be: its steps wait. It ends with 1 where a step failed, or a card can't be
    what the layout says.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add how long to try."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--retry',
            type=_seconds,
            default=0,
            metavar='SECONDS',
            help='try again for so long what fails or is not known, as it '
            'does right after the start of a host (default: 0)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Look, do, and report; again while more may come of it."""
        until = time.monotonic() + parsed_args.retry
        done: dict[model.Device, tuple[str, ...]] = {}
        while True:
            with ExitStack() as stack:
                looked = self.look(parsed_args, stack)
                if looked is None:
                    return 0
                if not parsed_args.simulate:
                    stack.enter_context(lock.Lock().alone(_LOCK_SECONDS))
                    _leave_to_nova(looked.machine)
                made = remembered.made(parsed_args)
                had = remembered.had(parsed_args)
                making = _making(looked.machine, made, had)
                found = [(card, making.make(card)) for card in looked.cards]
                may_be_later = any(
                    _may_be_later(looked.machine, card, outcome)
                    for card, outcome in found
                )
            for card, outcome in found:
                before = done.get(card.gpu.address, ())
                done[card.gpu.address] = before + outcome.done
            if not may_be_later or time.monotonic() >= until:
                break
            # Without the lock: a server may be built meanwhile.
            time.sleep(_PAUSE)
        told = [
            (card, dataclasses.replace(o, done=done[card.gpu.address]))
            for card, o in found
        ]
        self.say(report.outcomes(told, looked.unused))
        return int(any(o.failed or o.impossible for _, o in found))


def _leave_to_nova(machine: machine_.Machine) -> None:
    """Leave the cards to a nova-compute that runs: it knows who has claimed.

    :raises InvalidOption: when one runs
    """
    for name in processes.NOVA_COMPUTE:
        if processes.running(machine.sysfs.root, name):
            raise exception.InvalidOption(
                'apply',
                wanted='a host on which nova-compute does not run',
                found=f'that {name} runs: it knows what its servers have '
                'claimed, and makes the cards so itself, within a minute',
                remedy='see its log, or stop it first',
            )


def _making(
    machine: machine_.Machine,
    made: in_force.InForce,
    had: Callable[[model.Device], str | None],
) -> making_.Making:
    """Be root.

    :raises InvalidOption: when this process can only look
    """
    rootly = machine.sysfs.rootly
    if rootly is None:
        raise exception.InvalidOption(
            'apply',
            wanted='to change GPUs',
            found='a host that this process can only look at',
            remedy='run it as root, on the host itself',
        )
    doer = executor.Executor(
        rootly,
        functools.partial(reading.read, machine),
        functools.partial(users.of, machine),
    )
    return making_.Making(doer, made, machine.hypervisor.answers, had)


def _may_be_later(
    machine: machine_.Machine, card: survey.Card, outcome: executor.Outcome
) -> bool:
    """Tell whether what is not so may be so without a change of the layout."""
    if outcome.failed is not None or not outcome.impossible:
        return outcome.failed is not None
    # It was looked at before its steps, and is another card now.
    return survey.look(machine, card.gpu, card.wish).may_be_later


def _seconds(text: str) -> int:
    """Read a number of seconds.

    :raises ValueError: when it is none
    """
    seconds = int(text)
    if seconds < 0:
        raise ValueError(f'{seconds} is below 0')
    return seconds
