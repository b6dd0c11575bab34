"""What is not offered of a card and why, in words: the log's and the CLI's."""

from __future__ import annotations

import logging
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers

LOG = logging.getLogger(__name__)


class Log:
    """What of a host is not offered, told once in the log."""

    def __init__(self) -> None:
        self._last: dict[model.Device, str] = {}
        self._lost: dict[model.Device, str] = {}

    def tell(
        self, host: discovery.Host, known: Collection[model.Device]
    ) -> None:
        """Log what changed since it was told last.

        Of cards in quarantine, operators are told elsewhere, with more.

        :param known: the cards that Placement knows
        """
        refusals: dict[model.Device, str] = {**host.unreadable}
        for fabric in host.fabrics:
            refusals |= {
                card: f'not in sets: {why}'
                for card, why in fabric.reasons.items()
            }
        refusals |= {
            g.address: f'not alone: {g.alone_refusal}'
            for g in host.gpus
            if g.alone_refusal is not None
        }
        refusals |= {
            g.address: f'not whole: {g.whole_withheld}'
            for g in host.gpus
            if g.whole_refusal is None and g.whole_withheld and g.offered
        }
        refusals |= {g.address: why for g in host.gpus if (why := _why_not(g))}
        for share in (s for g in host.gpus for s in g.shares):
            refusals |= share.withheld
        present = {
            address for g in host.gpus for address in (g.address, *g.virtfns)
        }
        present |= refusals.keys()
        refusals |= dict.fromkeys(
            {a for a in known if not isinstance(a, model.FabricName)}
            - present,
            'it is gone: see whether it fell off the bus or was taken out; '
            'its resource provider is kept',
        )
        quarantined = {g.address for g in host.gpus if g.quarantined}
        refusals = {a: r for a, r in refusals.items() if a not in quarantined}
        present -= quarantined
        for address, reason in refusals.items():
            if self._last.get(address) != reason:
                LOG.warning('%s is not offered: %s', address, reason)
        for address in self._last.keys() & present - refusals.keys():
            LOG.info('%s is offered again', address)
        self._last = refusals

    def tell_lost(
        self, lost: Mapping[model.Device, str], present: Collection[object]
    ) -> None:
        """Log which cards can't give what is claimed of them any more.

        :param lost: the reasons, by card
        :param present: the cards that were looked at
        """
        for address, reason in lost.items():
            if self._lost.get(address) != reason:
                LOG.warning('%s has lost a mode: %s', address, reason)
        for address in self._lost.keys() & present - lost.keys():
            LOG.info('%s gives again what is claimed of it', address)
        self._lost = dict(lost)


def reasons(gpu: model.Gpu) -> list[str]:
    """Tell what can't be had of a card, and why, one sentence each."""
    return [
        *not_offered(gpu),
        *(f'{how}: {why}' for how, why in _not_whole(gpu)),
    ]


def not_offered(gpu: model.Gpu) -> list[str]:
    """Tell why guests get nothing of a card, or not all parts of it."""
    nothing = gpu.refusal or gpu.withheld
    if nothing is not None:
        return [nothing]
    told = [s.refusal for s in gpu.shares if s.refusal is not None]
    told += [line for s in gpu.shares for line in _withheld(s)]
    told += [s.doubt for s in gpu.shares if s.doubt is not None]
    if gpu.why_not_whole is not None and not _parts(gpu):
        told.insert(0, gpu.why_not_whole)
    return told


def not_whole(gpu: model.Gpu) -> list[str]:
    """Tell why guests get parts of a card, or sets with it, and not it alone.

    Of a card of which they get nothing, `not_offered` tells.
    """
    return [why for _, why in _not_whole(gpu)]


def is_shared_instead(gpu: model.Gpu) -> bool:
    """Tell whether a card is not given whole because of how it is used.

    That is nothing to put right: it has vGPUs, or virtual functions, which
    guests get; it is the screen's, and they get vGPUs; or it is nothing but a
    renderer.
    """
    function = gpu.function
    if function is None:
        return True
    if gpu.why_not_whole is None:
        return bool(gpu.vgpus)
    vgpus = any(p.resource_class != model.SESSION_CLASS for p in _parts(gpu))
    return vgpus and (bool(function.virtfns) or function.boot_vga)


def _not_whole(gpu: model.Gpu) -> Iterator[tuple[str, str]]:
    if gpu.refusal is not None or gpu.withheld is not None:
        return
    if gpu.why_not_whole is not None:
        if _parts(gpu):
            yield 'not whole', gpu.why_not_whole
        return
    if gpu.alone_refusal is not None:
        yield 'not alone', gpu.alone_refusal
    if gpu.vgpus:
        yield (
            'not whole',
            f'{len(gpu.vgpus)} of its vGPUs exist: it can go whole when they '
            'are gone',
        )


def _parts(gpu: model.Gpu) -> list[model.Profile]:
    return [part for share in gpu.shares for part in offers.parts_of(share)]


def _withheld(share: model.Share) -> Iterator[str]:
    """Tell which VFs can't be had, those with one reason together."""
    by_reason: dict[str, list[model.Device]] = {}
    for vf, reason in share.withheld.items():
        by_reason.setdefault(reason, []).append(vf)
    for reason, vfs in by_reason.items():
        others = f' and {len(vfs) - 1} other VFs' if len(vfs) > 1 else ''
        yield f'not {vfs[0]}{others}: {reason}'


def _why_not(gpu: model.Gpu) -> str | None:
    """Tell why nothing can be had of a card, if nothing can."""
    if offers.can_give(gpu):
        return None
    return '; '.join(reasons(gpu)) or None
