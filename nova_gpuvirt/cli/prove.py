"""nova-gpuvirt prove."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import pathlib
import signal
import sys
import tempfile
import types
from collections.abc import Collection
from collections.abc import Iterator
from typing import Any
from typing import NoReturn

from cliff import command

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cli import where
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import lock as lock_
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.proof import facts
from nova_gpuvirt.proof import image as image_
from nova_gpuvirt.proof import life
from nova_gpuvirt.proof import report
from nova_gpuvirt.proof import trials

_LOCK_SECONDS = 60
_PATIENCE = 60
_SIGNALS = (signal.SIGHUP, signal.SIGTERM)


class Prove(command.Command):
    """Give each offer of this host's idle GPUs to a guest, and take it back.

    For a host without servers, as root. It says first what it will do, and
    leaves alone what anything uses. While it runs, nova-compute changes no
    GPU here. In the end it tells what failed, and which claims of the page
    "What is not proven" this host has shown to be true or false.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which cards, and the guest."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'addresses',
            nargs='*',
            type=where.card,
            metavar='ADDRESS',
            help='cards to try, such as 0000:3b:00.0 (default: all)',
        )
        where.add_accelerators(parser)
        parser.add_argument(
            '--kernel',
            type=pathlib.Path,
            metavar='FILE',
            help="the guests' kernel (default: the one that runs here)",
        )
        parser.add_argument(
            '--initrd',
            type=pathlib.Path,
            metavar='FILE',
            help='the guests\' initrd, which prints "PCI ADDRESS '
            'VENDOR:DEVICE 0xCLASS" for each function, and GUEST-READY '
            "(default: one made of this host's /bin/busybox)",
        )
        parser.add_argument(
            '--plan', action='store_true', help='tell the plan alone'
        )
        parser.add_argument(
            '--seconds',
            type=int,
            default=120,
            metavar='N',
            help='how long a guest may take until it is ready (default: 120)',
        )
        parser.add_argument(
            '--yes', action='store_true', help='start without asking'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Plan, ask, try, and report."""
        here = _here().offering(parsed_args.accelerator)
        cards = gpus.Gpus(here.machine, operator_filter.OperatorFilter())
        if parsed_args.plan:
            self._tell(here, cards, parsed_args.addresses)
            return 0
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            # QEMU reads what is in it as its own user.
            folder.chmod(0o711)
            image = image_.make(folder, parsed_args.kernel, parsed_args.initrd)
            told = self._tell(here, cards, parsed_args.addresses)
            if not told.trials:
                return 0
            if not (parsed_args.yes or _agreed()):
                self._say(
                    'Nothing was done: use --yes where nobody can be asked.'
                )
                return 1
            # With Nova, which takes seconds to load.
            guest = importlib.import_module('nova_gpuvirt.guest')
            guests = importlib.import_module('nova_gpuvirt.proof.guests')
            lives = life.Life(
                here.machine.sysfs,
                handover.Handover(cards),
                guests.LibvirtGuests(
                    here.connection,
                    guest.Host.of(here.machine),
                    image,
                    folder,
                    parsed_args.seconds,
                ),
                _PATIENCE,
            )
            with _ended_as_by_an_error(), here.lock.alone(_LOCK_SECONDS):
                # Not what somebody took since it was told.
                now = here.plan(cards, parsed_args.addresses)
                named = {trial.claim for trial in told.trials}
                wanted = [t for t in now.trials if t.claim in named]
                outcomes = lives.all_of(wanted)
        decided = facts.decided(here.machine.sysfs, cards.survey().gpus)
        self._say(report.after(outcomes, decided))
        return int(any(outcome.failures for outcome in outcomes))

    def _tell(
        self, here: Here, cards: gpus.Gpus, addresses: Collection[str]
    ) -> trials.Plan:
        # Who has a card open withdraws it when seen twice.
        here.plan(cards, addresses)
        told = here.plan(cards, addresses)
        self._say(report.before(told))
        return told

    def _say(self, text: str) -> None:
        print(text, file=self.app.stdout, flush=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Here:
    """This host, with its libvirt and its lock."""

    machine: machine_.Machine
    connection: Any
    lock: lock_.Lock

    def offering(self, accelerators: Collection[model.Ids]) -> Here:
        """Offer these too, though they are no GPUs."""
        machine = dataclasses.replace(
            self.machine, accelerators=frozenset(accelerators)
        )
        return dataclasses.replace(self, machine=machine)

    def plan(
        self, cards: gpus.Gpus, addresses: Collection[str]
    ) -> trials.Plan:
        """Look at the cards, and plan the trials of these, or of all."""
        found = cards.survey(refresh=True)
        return trials.plan(found, self.machine.opener, addresses)


def _here() -> Here:
    try:
        connection = where.connect()
    except Exception as error:
        raise exception.InvalidOption(
            'prove',
            wanted="this host's libvirt, to boot guests",
            found=str(error),
            remedy='run it as root, with the Python of nova-compute',
        ) from error
    machine = where.here(hypervisor.Hypervisor(lambda: connection))
    return Here(machine, connection, lock_.Lock())


@contextlib.contextmanager
def _ended_as_by_an_error() -> Iterator[None]:
    """Clean up also where a connection is lost or the program is told to end.

    Python does so for Ctrl-C alone.
    """
    before = {s: signal.signal(s, _end) for s in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: types.FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _agreed() -> bool:
    """Ask; who can't be asked has not agreed."""
    if not sys.stdin.isatty():
        return False
    return input('Start? [y/N] ').strip().lower() in ('y', 'yes')
