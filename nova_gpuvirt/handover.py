"""A host's devices, handed to guests and taken back."""

from __future__ import annotations

import logging
from collections.abc import Collection
from collections.abc import Iterable

from nova_gpuvirt import exception
from nova_gpuvirt import gpus as gpus_
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.model import guest_device

LOG = logging.getLogger(__name__)


class Handover:
    """Hand devices to guests, by the claims of their instances."""

    def __init__(self, gpus: gpus_.Gpus) -> None:
        self._gpus = gpus

    def attach(
        self, instance: str, claims: Collection[model.Claim]
    ) -> tuple[guest_device.GuestDevice, ...]:
        """Make an instance's devices ready and describe them for its guest.

        :raises PrepareFailed: when one can't be; none is left half-made
        """
        if not claims:
            return ()
        gpus = self._gpus.look_at(claims)
        devices: list[guest_device.GuestDevice] = []
        made: list[model.Claim] = []
        try:
            for claim in sorted(claims, key=lambda c: c.identifier):
                found = _find(gpus, claim, instance)
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
            self.release(instance, made)
            raise
        return tuple(devices)

    def _join(self, claim: model.Claim, instance: str) -> bool:
        cards = _cards(claim.slot)
        return bool(cards) and self._gpus.partitions.prepare(cards, instance)

    def release(self, instance: str, claims: Iterable[model.Claim]) -> None:
        """Take an instance's devices back.

        What can't be taken back now is left to the next periodic update,
        with a warning: a server must not become undeletable for it.
        """
        for claim in claims:
            slot = claim.slot
            if slot is None:
                LOG.warning('Can not release %s: unknown', claim.identifier)
                continue
            try:
                for part in slot.parts:
                    self._backend(part).release(part, instance)
                if cards := _cards(slot):
                    self._gpus.partitions.release(cards)
            except Exception as error:
                LOG.warning('Could not release %s: %s', slot, error)

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
                if cards := _cards(leftover.slot):
                    self._gpus.partitions.release(cards)
                else:
                    self._backend(leftover.slot).discard(leftover)
            except Exception as error:
                LOG.warning('Could not discard %s: %s', leftover.slot, error)
            else:
                LOG.warning(
                    'Discarded %s, which stood for %s and for no instance',
                    leftover.device,
                    leftover.slot,
                )

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
                claim.identifier,
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
