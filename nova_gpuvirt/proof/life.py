"""The life of one offer: prepared, in a guest, released, as before."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import uuid
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Protocol

from nova_gpuvirt import handover as handover_
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.host import sysfs as sysfs_
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.proof import console as console_
from nova_gpuvirt.proof import hardware
from nova_gpuvirt.proof import trials

STEPS = ('prepare', 'guest', 'end', 'release')
"""The steps of a life, in their order."""

_PAUSE = 0.5  # seconds


class Guests(Protocol):
    """Who boots guests."""

    def boot(
        self, instance: str, devices: Collection[guest_device.GuestDevice]
    ) -> str:
        """Boot a guest, and return what it said when it was ready.

        :raises Exception: when it does not start, or is not ready in time
        """

    def end(self, instance: str) -> None:
        """End a guest; one that is not there is no error."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    :ivar seconds: how long each of `STEPS` took, as far as it was gone
    :ivar failures: what went wrong, in order; none where all went well
    :ivar meanwhile: how the card was while the guest ran
    :ivar after: how it was in the end, and `is_as_before` whether that is as
        in the beginning
    """

    trial: trials.Trial
    seconds: Mapping[str, float]
    failures: tuple[str, ...]
    meanwhile: Mapping[str, str]
    after: Mapping[str, str]
    is_as_before: bool = False


class Life:
    """Lives of offers on one host.

    :param patience: how many seconds a card may take to be as before
    """

    def __init__(
        self,
        sysfs: sysfs_.Sysfs,
        handover: handover_.Handover,
        guests: Guests,
        patience: float,
    ) -> None:
        self._sysfs = sysfs
        self._handover = handover
        self._guests = guests
        self._patience = patience

    def all_of(self, planned: Iterable[trials.Trial]) -> list[Outcome]:
        """Go through the lives of offers, none after one that left its card.

        A card that is not as before would tell nothing of another offer.
        """
        outcomes = []
        left: set[model.Device] = set()
        for trial in planned:
            if trial.gpu.address in left:
                why = 'not tried: the card is not as it was'
                outcomes.append(Outcome(trial, {}, (why,), {}, {}))
                continue
            outcome = self.live(trial)
            outcomes.append(outcome)
            if not outcome.is_as_before:
                left.add(trial.gpu.address)
        return outcomes

    def live(self, trial: trials.Trial) -> Outcome:
        """Go through the life of an offer, to its end whatever fails."""
        instance = str(uuid.uuid4())
        seconds: dict[str, float] = {}
        failures: list[str] = []
        meanwhile: Mapping[str, str] = {}
        before = meanwhile
        with _told(failures):
            before = hardware.look(self._sysfs, trial.gpu)
        if failures:
            return Outcome(trial, seconds, tuple(failures), before, before)
        after = before
        refused: tuple[str, ...] = ()
        is_seen = False
        try:
            with _timed(seconds, 'prepare'):
                devices = self._handover.attach(instance, [trial.claim])
            with _timed(seconds, 'guest'):
                said = self._guests.boot(instance, devices)
            meanwhile = hardware.look(self._sysfs, trial.gpu)
            vfs = self._vfs(trial.gpu, devices)
            absent = console_.missing(trial.gpu, devices, vfs, said)
            if absent is not None:
                failures.append(f'the guest does not name {absent}')
        except Exception as error:
            failures.append(str(error))
        finally:  # also when somebody ends the program
            with _told(failures), _timed(seconds, 'end'):
                self._guests.end(instance)
            with _told(failures), _timed(seconds, 'release'):
                after, refused = self._release(trial, instance, before)
                is_seen = True
        changes = (*refused, *hardware.changes(before, after))
        failures += changes
        return Outcome(
            trial,
            seconds,
            tuple(failures),
            meanwhile,
            after,
            is_seen and not changes,
        )

    def _vfs(
        self, gpu: model.Gpu, devices: Iterable[guest_device.GuestDevice]
    ) -> Mapping[model.PciAddress, model.Ids]:
        return {
            device.host: pci_function.ids(self._sysfs, device.host)
            for device in devices
            if isinstance(device, guest_device.Pci)
            and device.host in gpu.virtfns
        }

    def _release(
        self, trial: trials.Trial, instance: str, before: Mapping[str, str]
    ) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Release until the card is as before, or patience ends.

        :returns: how the card is, and why it is not released, if so: a look
            at it shows nothing of a partition
        """
        until = time.monotonic() + self._patience
        while True:
            refused = self._handover.release(instance, [trial.claim])
            after = hardware.look(self._sysfs, trial.gpu)
            is_done = after == before and not refused
            if is_done or time.monotonic() >= until:
                return after, tuple(refused.values())
            time.sleep(_PAUSE)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[step] = time.monotonic() - start


@contextlib.contextmanager
def _told(failures: list[str]) -> Iterator[None]:
    """Go on after an error, and keep it."""
    try:
        yield
    except Exception as error:
        failures.append(str(error))
