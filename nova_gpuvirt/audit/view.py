"""The sides of a host, looked up by what the rules ask for."""

from __future__ import annotations

import functools
from collections import Counter
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.cards import vgpu

Part = tuple[sides_.Held, model.Slot]
"""What a server holds, and the slot of one card that is of it."""

_MDEV = 'mdev'
_VENDOR_VFIO = 'vendor-vfio'
_SRIOV = 'sriov'
_API = 'api'
MADE = (_MDEV, _VENDOR_VFIO)
"""The kinds whose devices are made for a guest."""


class View:
    """What the rules ask of the sides of a host.

    A rule asks only for the sides that it says it needs.
    """

    def __init__(self, sides: sides_.Sides) -> None:
        self.sides = sides

    # Servers, and what they claim

    @property
    def claims(self) -> tuple[sides_.Held, ...]:
        """All that servers hold."""
        assert self.sides.claims is not None
        return self.sides.claims

    def server(self, uuid: str) -> sides_.Server | None:
        """Find a server."""
        return (self.sides.servers or {}).get(uuid)

    def is_settled(self, uuid: str) -> bool:
        """Tell whether Nova does nothing with a server; not of a stranger."""
        server = self.server(uuid)
        return server is not None and server.is_settled

    def are_settled(self, uuids: Collection[str]) -> bool:
        """Tell whether Nova does nothing with any of these."""
        return all(map(self.is_settled, uuids))

    @property
    def is_calm(self) -> bool:
        """Tell whether Nova does nothing with any server."""
        return self.are_settled((self.sides.servers or {}).keys())

    @functools.cached_property
    def by_server(self) -> Mapping[str, list[sides_.Held]]:
        """What each server holds, on both sides of its move."""
        found = defaultdict(list)
        for held in self.claims:
            found[held.server].append(held)
        return found

    @functools.cached_property
    def by_place(
        self,
    ) -> Mapping[object, list[tuple[sides_.Held, model.Slot]]]:
        """Who holds each place, a set card by card, with the slot there."""
        found: dict[object, list[Part]] = defaultdict(list)
        for held, part in self.parts():
            found[part.place].append((held, part))
        return found

    def parts(self) -> Iterator[tuple[sides_.Held, model.Slot]]:
        """Walk over all that is claimed, a set card by card."""
        for held in self.claims:
            slot = held.claim.slot
            for part in slot.parts if slot else ():
                yield held, part

    def holders(self, slot: model.Slot) -> set[str]:
        """Name the servers that hold a place."""
        return {held.server for held, _ in self.by_place.get(slot.place, ())}

    @functools.cached_property
    def claimed(self) -> Counter[tuple[str, str, str]]:
        """Count what is claimed by server, provider and class."""
        return Counter(
            (h.server, h.provider, h.claim.resource_class) for h in self.claims
        )

    # Hardware

    @property
    def gpus(self) -> tuple[model.Gpu, ...]:
        """The cards that are there."""
        assert self.sides.hardware is not None
        return self.sides.hardware.gpus

    def gpu_of(self, device: model.Device) -> model.Gpu | None:
        """Find the card that a slot of a device is of."""
        return next((g for g in self.gpus if g.holds(device)), None)

    def is_there(self, device: model.Device) -> bool:
        """Tell whether a card or a VF is there, readable or not."""
        assert self.sides.hardware is not None
        return (
            str(device) in self.sides.hardware.unreadable
            or self.gpu_of(device) is not None
        )

    @functools.cached_property
    def ours(self) -> frozenset[str]:
        """The devices that are ours to hand out.

        Of a card without a provider of ours none is. An mdev is if its UUID
        is one of ours: who made another keeps it.
        """
        cards = set(self.sides.providers.values())
        found: set[str] = set()
        for gpu in self.gpus:
            if gpu.address not in cards:
                continue
            found.update(str(f.address) for f in gpu.functions)
            found.update(map(str, gpu.virtfns))
            found.update(
                each.device for each in gpu.vgpus if each.slot is not None
            )
        return frozenset(found)

    def devices(self, held: sides_.Held) -> frozenset[str] | None:
        """List what a guest has of a claim, None where that is not known."""
        slot = held.claim.slot
        if slot is None:
            return None
        found: set[str] = set()
        for part in slot.parts:
            some = self._devices_of(part, held.server)
            if some is None:
                return None
            found |= some
        return frozenset(found)

    def _devices_of(self, slot: model.Slot, server: str) -> set[str] | None:
        if slot.kind == _API:
            return set()
        if slot.kind == _MDEV:
            return {str(vgpu.uuid_of(slot, server))}
        gpu = self.gpu_of(slot.device)
        if gpu is None:
            return None
        if slot.kind == model.WHOLE:
            return {str(f.address) for f in gpu.functions}
        if slot.kind in (_VENDOR_VFIO, _SRIOV):
            return {str(slot.device)}
        return None

    def made_for(self, slot: model.Slot) -> set[str]:
        """Name the devices that stand in a place for those who hold it."""
        return {
            device
            for held, part in self.by_place.get(slot.place, ())
            for device in self._devices_of(part, held.server) or ()
        }

    def expected(self, server: str, *, kept: bool) -> frozenset[str] | None:
        """List what the guest of a server has, None where that is not known.

        :param kept: whether of the other side of its move
        """
        found: set[str] = set()
        for held in self.by_server.get(server, ()):
            if held.is_kept is kept:
                devices = self.devices(held)
                if devices is None:
                    return None
                found |= devices
        return frozenset(found)

    # Guests

    @property
    def guests(self) -> tuple[sides_.Guest, ...]:
        """The domains of libvirt."""
        assert self.sides.guests is not None
        return self.sides.guests

    @functools.cached_property
    def guest_of(self) -> Mapping[str, sides_.Guest]:
        """The domains, by their UUIDs."""
        return {guest.uuid: guest for guest in self.guests}

    @functools.cached_property
    def users(self) -> Mapping[str, list[str]]:
        """Which guests have each device, running or defined."""
        found = defaultdict(list)
        for guest in self.guests:
            for device in sorted(guest.has | (guest.defined or frozenset())):
                found[device].append(guest.uuid)
        return found

    # Placement

    @functools.cached_property
    def allocated(self) -> Counter[tuple[str, str, str]]:
        """Count what is allocated by server, provider and class."""
        found: Counter[tuple[str, str, str]] = Counter()
        for each in self.sides.allocations or ():
            if each.server is not None:
                found[each.server, each.provider, each.resource_class] += (
                    each.amount
                )
        return found

    @functools.cached_property
    def consumers(self) -> frozenset[str]:
        """The servers that anything is allocated to, as far as is known."""
        return frozenset(
            each.server
            for each in self.sides.allocations or ()
            if each.server is not None
        )

    def name(self, provider: str) -> str:
        """Name what a provider is of, by its UUID."""
        return str(self.sides.providers.get(provider, provider))
