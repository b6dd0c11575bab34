"""What is tried on a host: each offer of each card that nothing uses. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import reasons


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One offer of a card, as a claim on its first slot."""

    gpu: model.Gpu
    claim: model.Claim

    def __str__(self) -> str:
        """Name the card and the offer."""
        return f'{self.gpu.address} {self.claim.resource_class}'

    @property
    def kind(self) -> str:
        """The way in which the guest gets it."""
        slot = self.claim.slot
        return slot.kind if slot else ''


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What will be tried, and why the rest of each card will not."""

    trials: tuple[Trial, ...]
    left_out: Mapping[str, str]


def plan(
    host: discovery.Host,
    opener: Callable[[model.PciAddress], str | None],
    wanted: Collection[str] = (),
) -> Plan:
    """Plan the trials of a host.

    :param opener: tells what has a function open; it may raise any error
    :param wanted: addresses, of all cards if there are none
    """
    trials: list[Trial] = []
    left_out = {str(a): why for a, why in host.unreadable.items()}
    left_out |= dict.fromkeys(wanted, 'no such card')
    for gpu in host.gpus:
        address = str(gpu.address)
        left_out.pop(address, None)
        if wanted and address not in wanted:
            continue
        why = _why_used(gpu, opener)
        if why is None:
            trials.extend(_of(gpu))
            why = '; '.join(reasons.reasons(gpu))
        if why:
            left_out[address] = why
    return Plan(tuple(trials), left_out)


def _of(gpu: model.Gpu) -> tuple[Trial, ...]:
    return tuple(
        Trial(gpu, model.Claim(offer.resource_class, str(offer.slots[0])))
        for offer in offers.offers(gpu, (), None)
        if offer.slots
    )


def _why_used(
    gpu: model.Gpu, opener: Callable[[model.PciAddress], str | None]
) -> str | None:
    """Tell what uses a card; who can't be seen may use it too."""
    if gpu.vgpus:
        return f'{len(gpu.vgpus)} vGPUs of it exist'
    functions = [f.address for f in gpu.functions]
    for function in (*functions, *gpu.virtfns):
        try:
            found = opener(function)
        except FileNotFoundError:
            # Without a node of VFIO nobody can have it through VFIO.
            continue
        except Exception as error:
            return f'it can not be seen who has {function}: {error}'
        if found is not None:
            return f'{found} has {function}'
    return None
