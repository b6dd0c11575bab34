"""The GPUs of one host: found, reported, attached, released, repaired."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt import backends
from nova_gpuvirt import discovery
from nova_gpuvirt import exception
from nova_gpuvirt import hypervisor as hypervisor_
from nova_gpuvirt import model
from nova_gpuvirt import pciids
from nova_gpuvirt import placement
from nova_gpuvirt import sysfs as sysfs_
from nova_gpuvirt import wishes as wishes_

LOG = logging.getLogger(__name__)


def survey(
    sysfs: sysfs_.Sysfs, names: pciids.PciIds, wishes: wishes_.Wishes
) -> discovery.Host:
    """Find the GPUs of a host and what each can give."""
    host = discovery.discover(sysfs, names)
    return dataclasses.replace(
        host,
        gpus=tuple(wishes.narrow(_inspect(sysfs, g)) for g in host.gpus),
    )


def _inspect(sysfs: sysfs_.Sysfs, gpu: model.Gpu) -> model.Gpu:
    if gpu.refusal is not None:
        return gpu
    try:
        for backend in backends.BACKENDS:
            gpu = backend.discover(sysfs, gpu)
    except Exception as error:  # one bad card never hides the good ones
        return dataclasses.replace(gpu, refusal=str(error))
    return gpu


class Gpus:
    """The GPUs of this host, and the backends that serve them."""

    def __init__(
        self,
        sysfs: sysfs_.Sysfs,
        names: pciids.PciIds,
        hypervisor: hypervisor_.Hypervisor,
        wishes: wishes_.Wishes,
    ) -> None:
        self._sysfs = sysfs
        self._names = names
        self._wishes = wishes
        self._refusals: dict[model.PciAddress, str] = {}
        self._backends = {
            backend.kind: backend(sysfs, hypervisor)
            for backend in backends.BACKENDS
        }

    def survey(self) -> discovery.Host:
        """Find the GPUs as they are now."""
        return survey(self._sysfs, self._names, self._wishes)

    def report(
        self, node: str, known: Mapping[model.PciAddress, placement.Known]
    ) -> tuple[placement.Provider, ...]:
        """Tell what Placement shall know of this host's GPUs.

        :param known: what it knows already, and the claims, by card
        """
        host = self.survey()
        self._warn_of_change(host, known.keys())
        return placement.providers(
            node,
            host.gpus,
            host.unreadable.keys(),
            known,
            self._wishes.default_profile,
        )

    def _warn_of_change(
        self, host: discovery.Host, known: Collection[model.PciAddress]
    ) -> None:
        refusals = dict(host.unreadable)
        refusals |= {g.address: why for g in host.gpus if (why := _why_not(g))}
        present = {g.address for g in host.gpus} | refusals.keys()
        refusals |= dict.fromkeys(
            set(known) - present,
            'it is gone: see whether it fell off the bus or was taken out; '
            'its resource provider is kept',
        )
        for address, reason in refusals.items():
            if self._refusals.get(address) != reason:
                LOG.warning('%s is not offered: %s', address, reason)
        for address in self._refusals.keys() & present - refusals.keys():
            LOG.info('%s is offered again', address)
        self._refusals = refusals

    def attach(
        self, instance: str, claims: Collection[model.Claim]
    ) -> tuple[model.GuestDevice, ...]:
        """Make an instance's devices ready and describe them for its guest.

        :raises PrepareFailed: when one can't be; none is left half-made
        """
        if not claims:
            return ()
        gpus = {gpu.address: gpu for gpu in self.survey().gpus}
        devices: list[model.GuestDevice] = []
        made: list[model.Claim] = []
        try:
            for claim in sorted(claims, key=lambda c: c.identifier):
                gpu, slot = _find(gpus, claim, instance)
                backend = self._backends[slot.kind]
                if backend.prepare(gpu, slot, instance):
                    made.append(claim)
                devices.extend(backend.guest_devices(gpu, slot, instance))
        except Exception:
            self.release(instance, made)
            raise
        return tuple(devices)

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
                self._backends[slot.kind].release(slot, instance)
            except Exception as error:
                LOG.warning('Could not release %s: %s', slot, error)

    def leftovers(
        self, claimed: Collection[model.Slot]
    ) -> tuple[backends.base.Leftover, ...]:
        """Find the devices that were made for slots which nobody claims."""
        return tuple(
            leftover
            for gpu in self.survey().gpus
            for backend in self._backends.values()
            for leftover in backend.leftovers(gpu, claimed)
        )

    def discard(self, leftovers: Iterable[backends.base.Leftover]) -> None:
        """Take leftovers back, as far as nothing uses them any more."""
        for leftover in leftovers:
            try:
                self._backends[leftover.slot.kind].discard(leftover)
            except Exception as error:
                LOG.warning('Could not discard %s: %s', leftover.slot, error)
            else:
                LOG.warning(
                    'Discarded %s, which stood for %s and for no instance',
                    leftover.device,
                    leftover.slot,
                )


def _why_not(gpu: model.Gpu) -> str | None:
    """Tell why nothing can be had of a card, if nothing can."""
    return gpu.refusal or (None if gpu.profiles else gpu.whole_refusal)


def _find(
    gpus: Mapping[model.PciAddress, model.Gpu],
    claim: model.Claim,
    instance: str,
) -> tuple[model.Gpu, model.Slot]:
    slot = claim.slot
    gpu = gpus.get(slot.address) if slot else None
    if slot is not None and gpu is not None and gpu.refusal is None:
        return gpu, slot
    raise exception.PrepareFailed(
        claim.identifier,
        wanted=f'it for instance {instance}',
        found=(gpu and gpu.refusal) or 'no such GPU on this host',
        remedy='see `nova-gpuvirt discover` on this host',
    )
