"""A host's devices, handed to guests and taken back."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from contextlib import AbstractContextManager
from contextlib import nullcontext

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.backends import base
from nova_gpuvirt.health import dirt as dirt_
from nova_gpuvirt.model import guest_device

LOG = logging.getLogger(__name__)

# How long a build waits for another's state to go, in seconds, and how often
# it looks. Cleaning takes moments where nothing goes wrong.
_PATIENCE = 60.0
_PAUSE = 0.5


class Handover:
    """Hand devices to guests, by the claims of their instances.

    :param lock: makes each change one that nobody else's disturbs
    :param dirt: remembers who has what, before it is made ready
    :param waiting_most: how many that arrive may wait at once for what is
        not clean: each keeps one of the host's builds from another
    """

    def __init__(
        self,
        gpus: gpus_.Gpus,
        lock: Callable[[], AbstractContextManager[None]] = nullcontext,
        dirt: dirt_.Dirt | None = None,
        waiting_most: int = 1,
    ) -> None:
        self._gpus = gpus
        self._lock = lock
        self._dirt = dirt or dirt_.Dirt()
        self._places_to_wait = threading.BoundedSemaphore(waiting_most)
        self._unmarked = once.Once(LOG)

    def attach(
        self,
        instance: str,
        claims: Collection[model.Claim],
        *,
        arriving: bool = True,
    ) -> tuple[guest_device.GuestDevice, ...]:
        """Make an instance's devices ready and describe them for its guest.

        :param arriving: whether it comes to this host; one that is here has
            its devices already, and keeps them where that can't be remembered
        :raises PrepareFailed: when one can't be; none is left half-made
        :raises InvalidRecord: when it can't be remembered that it has them
        :raises Locked: when another program has the GPUs for itself, or what
            is remembered of them
        """
        if not claims:
            return ()
        deadline = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as place_to_wait:
            is_first = True
            while True:
                try:
                    with self._lock():
                        return self._attach(instance, claims, arriving)
                except exception.NotClean:
                    if time.monotonic() > deadline:
                        raise
                    if arriving and is_first:
                        if not self._places_to_wait.acquire(blocking=False):
                            raise
                        place_to_wait.callback(self._places_to_wait.release)
                    is_first = False
                time.sleep(_PAUSE)

    def _attach(
        self, instance: str, claims: Collection[model.Claim], arriving: bool
    ) -> tuple[guest_device.GuestDevice, ...]:
        gpus = self._gpus.look_at(claims)
        devices: list[guest_device.GuestDevice] = []
        made: list[model.Claim] = []
        found_of = {
            claim: _find(gpus, claim, instance)
            for claim in sorted(claims, key=lambda c: c.identifier)
        }
        for found in found_of.values():
            for gpu, slot in found:
                self._mark(gpu, slot, instance, arriving)
        try:
            for claim, found in found_of.items():
                for gpu, slot in found:
                    if self._backend(slot).prepare(gpu, slot, instance):
                        made.append(claim)
                if self._join(claim, instance):
                    made.append(claim)
                for gpu, slot in found:
                    devices.extend(
                        self._backend(slot).guest_devices(gpu, slot, instance)
                    )
        except Exception:
            for claim, why in self.release(instance, made).items():
                LOG.warning('%s stays for now: %s', claim.shown, why)
            raise
        return tuple(devices)

    def _mark(
        self, gpu: model.Gpu, slot: model.Slot, instance: str, arriving: bool
    ) -> None:
        """Remember that an instance is about to have something."""
        if not isinstance(gpu.address, model.PciAddress):
            return
        functions = self._backend(slot).functions(gpu, slot)
        try:
            self._dirt.mark(gpu.address, slot, instance, functions)
        except (exception.InvalidRecord, exception.Locked) as error:
            if arriving:
                raise
            self._unmarked.warn(
                f'{slot}: it is not remembered that instance {instance} has '
                f'it, which goes on with it: {error}'
            )

    def _join(self, claim: model.Claim, instance: str) -> bool:
        cards = _cards(claim.slot)
        return bool(cards) and self._gpus.partitions.prepare(cards, instance)

    def release(
        self, instance: str, claims: Iterable[model.Claim]
    ) -> dict[model.Claim, str]:
        """Take an instance's devices back.

        :returns: those that can't be taken back now, each with the reason: a
            server must not become undeletable for it
        """
        failures = {}
        for claim in claims:
            slot = claim.slot
            if slot is None:
                LOG.warning('Can not release %s: unknown', claim.shown)
                continue
            try:
                with self._lock():
                    self._release(instance, slot)
            except Exception as error:
                failures[claim] = str(error)
        return failures

    def _release(self, instance: str, slot: model.Slot) -> None:
        for part in slot.parts:
            self._backend(part).release(part, instance)
        if cards := _cards(slot):
            self._gpus.partitions.release(cards)

    def undisturbed(self) -> AbstractContextManager[None]:
        """Keep the GPUs from who would have them for itself meanwhile.

        :raises Locked: when another program has them
        """
        return self._lock()

    def leftovers(
        self, claimed: Collection[model.Slot]
    ) -> tuple[base.Leftover, ...]:
        """Find the devices that were made for slots which nobody claims."""
        found: list[base.Leftover] = []
        gpus = self._gpus.survey(refresh=True).gpus
        try:
            found.extend(self._gpus.partitions.leftovers(gpus, claimed))
        except Exception as error:
            LOG.warning('Leftover partitions stay for now: %s', error)
        for gpu in gpus:
            for backend in self._gpus.backends.values():
                try:
                    found.extend(backend.leftovers(gpu, claimed))
                except Exception as error:
                    LOG.warning(
                        '%s: its leftovers stay for now: %s',
                        gpu.address,
                        error,
                    )
        return tuple(found)

    def discard(self, leftovers: Iterable[base.Leftover]) -> None:
        """Take leftovers back, as far as nothing uses them any more."""
        for leftover in leftovers:
            try:
                with self._lock():
                    self._discard(leftover)
            except Exception as error:
                LOG.warning('Could not discard %s: %s', leftover.slot, error)
            else:
                LOG.warning(
                    'Discarded %s, which stood for %s and for no instance',
                    leftover.device,
                    leftover.slot,
                )

    def _discard(self, leftover: base.Leftover) -> None:
        if cards := _cards(leftover.slot):
            self._gpus.partitions.release(cards)
        else:
            self._backend(leftover.slot).discard(leftover)

    def _backend(self, slot: model.Slot) -> base.Backend:
        try:
            return self._gpus.backends[slot.kind]
        except KeyError:
            raise exception.PrepareFailed(
                str(slot),
                wanted=f'a backend for {slot.kind!r}',
                found=', '.join(self._gpus.backends),
                remedy='see that this nova-gpuvirt is not older than the one '
                'that made the claim',
            ) from None


def _find(
    gpus: Collection[model.Gpu], claim: model.Claim, instance: str
) -> list[tuple[model.Gpu, model.Slot]]:
    """Find the cards of a claim, each with its slot: of a set several."""
    slot = claim.slot
    found = []
    for part in (None,) if slot is None else slot.parts:
        gpu = next((g for g in gpus if part and g.holds(part.device)), None)
        if part is None or gpu is None or gpu.refusal is not None:
            raise exception.PrepareFailed(
                claim.shown,
                wanted=f'it for instance {instance}',
                found=(gpu and gpu.refusal)
                or f'no such card or VF on this host: {part and part.device}',
                remedy='see `nova-gpuvirt discover` on this host',
            )
        found.append((gpu, part))
    return found


def _cards(slot: model.Slot | None) -> list[model.PciAddress]:
    """List the whole cards on PCI that a slot takes."""
    return [
        part.device
        for part in (slot.wholes if slot else ())
        if isinstance(part.device, model.PciAddress)
    ]
