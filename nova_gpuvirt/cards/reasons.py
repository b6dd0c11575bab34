"""What is not offered of a card and why, in words: the log's and the CLI's."""

from __future__ import annotations

import logging
from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers

LOG = logging.getLogger(__name__)


class Log:
    """What of a host is not offered, told once in the log."""

    def __init__(self) -> None:
        self._last: dict[model.Device, str] = {}

    def tell(
        self, host: discovery.Host, known: Collection[model.Device]
    ) -> None:
        """Log what changed since it was told last.

        :param known: the cards that Placement knows
        """
        refusals: dict[model.Device, str] = {**host.unreadable}
        for fabric in host.fabrics:
            refusals |= {
                card: f'not in sets: {why}'
                for card, why in fabric.reasons.items()
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
        for address, reason in refusals.items():
            if self._last.get(address) != reason:
                LOG.warning('%s is not offered: %s', address, reason)
        for address in self._last.keys() & present - refusals.keys():
            LOG.info('%s is offered again', address)
        self._last = refusals


def reasons(gpu: model.Gpu) -> list[str]:
    """Tell what can't be had of a card, and why."""
    if gpu.refusal is not None:
        return [gpu.refusal]
    shared = [s.refusal for s in gpu.shares if s.refusal is not None]
    shared += [line for s in gpu.shares for line in _withheld(s)]
    parts = any(offers.parts_of(share) for share in gpu.shares)
    if gpu.whole_refusal is not None:
        return [('not whole: ' if parts else '') + gpu.whole_refusal, *shared]
    if gpu.vgpus:
        shared.append(f'not whole: {len(gpu.vgpus)} of its vGPUs exist')
    return shared


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
