"""What is put right without asking: only what is ours, and fenced.

Before each, Nova is asked again whether it is still so. An allocation is
changed only as it was read (its consumer's generation), and only on providers
of ours; a device is removed only where its UUID is one that we make, and no
server of Nova's, and no guest, has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import context as nova_context
from nova import exception as nova_exception

from nova_gpuvirt import exception
from nova_gpuvirt import handover as handover_
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import hardware_rules
from nova_gpuvirt.audit import placement_rules
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.audit import view as view_
from nova_gpuvirt.backends import base
from nova_gpuvirt.compute.audits import nova_side
from nova_gpuvirt.host import hypervisor as hypervisor_

_Repair = Callable[[disagreement.Disagreement, sides_.Sides], str | None]


class Repairs:
    """Put disagreements right, each by its rule.

    :param host: this host, as Nova names it
    :param node: names this host's node
    :param client: returns Nova's report client
    """

    def __init__(
        self,
        host: str,
        node: Callable[[], str],
        client: Callable[[], Any],
        hypervisor: hypervisor_.Hypervisor,
        handover: handover_.Handover,
    ) -> None:
        self._host = host
        self._node = node
        self._client = client
        self._hypervisor = hypervisor
        self._handover = handover
        self._by_rule: dict[str, _Repair] = {
            placement_rules.OF_DELETED: self._free,
            placement_rules.WITHOUT_ALLOCATION: self._allocate,
            hardware_rules.STALE: self._discard,
        }

    def can(self, found: disagreement.Disagreement) -> bool:
        """Tell whether there is a repair for it here."""
        return found.rule in self._by_rule

    def repair(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> str | None:
        """Put one right, and say what was done; None where it is not so.

        No lock of Nova's may be held: Nova, Placement and libvirt are asked.

        :param sides: those in which it was found
        :raises Locked: when another program has the GPUs for itself
        :raises Exception: what of these fails
        """
        with self._handover.undisturbed():
            return self._by_rule[found.rule](found, sides)

    def _free(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> str | None:
        """Free what a deleted server has of one class of one card.

        No other: a move that broke off may have left the only copy of a guest
        here, and one that begins may allocate anew at any moment. Placement
        is read before Nova, and so refuses what has changed since.
        """
        context = nova_context.get_admin_context()
        has = self._client().get_allocs_for_consumer(context, found.who)
        server = nova_side.consumer(self._host, found.who).server
        if server is None or not server.is_deleted:
            return None
        if self._has_guest_here(server.uuid):
            raise exception.ReleaseFailed(
                found.where,
                wanted=f'to free what {found.who} has in Placement',
                found='that its guest is here, with devices of this host',
                remedy=f'end the guest first: virsh destroy {server.uuid}',
            )
        device, rc = found.where.rsplit(' ', 1)
        provider = next(
            (p for p, d in sides.providers.items() if str(d) == device), ''
        )
        place = has['allocations'].get(provider, {'resources': {}})
        if place['resources'].pop(rc, None) is None:
            return None
        if not place['resources']:
            del has['allocations'][provider]
        self._put(found, has)
        return f'freed what {found.who} had in Placement of {found.where}'

    def _has_guest_here(self, server: str) -> bool:
        """Tell whether libvirt has a guest of it, with anything of the host.

        :raises Exception: libvirt's, when it doesn't answer
        """
        return any(
            guest.uuid == server and bool(guest.has or guest.defined)
            for guest in self._hypervisor.guests()
        )

    def _allocate(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> str | None:
        """Allocate what a server claims, beside what it has."""
        context = nova_context.get_admin_context()
        has = self._client().get_allocs_for_consumer(context, found.who)
        if not has['allocations']:
            raise exception.ReleaseFailed(
                found.where,
                wanted=f'to allocate what {found.who} claims',
                found='that it has no allocation at all, not of its host '
                'either',
                remedy='nova-manage placement heal_allocations --instance '
                f'{found.who} first',
            )
        nova = nova_side.read(self._host, self._node(), sides.providers)
        server = nova.servers.get(found.who)
        if server is None or not server.is_settled or not server.is_here:
            return None
        before = {
            p: dict(a['resources']) for p, a in has['allocations'].items()
        }
        claimed = view_.View(
            sides_.Sides(
                self._host, sides.providers, nova.servers, nova.claims
            )
        ).claimed
        added = []
        for (who, provider, rc), amount in sorted(claimed.items()):
            allocated = before.get(provider, {}).get(rc, 0)
            if who == found.who and allocated < amount:
                place = has['allocations'].setdefault(
                    provider, {'resources': {}}
                )
                place['resources'][rc] = amount
                added.append(
                    f'{amount} of {rc} of {sides.providers[provider]}'
                )
        if not added:
            return None
        self._put(found, has)
        return f'allocated {", ".join(added)} to {found.who} in Placement'

    def _put(self, found: disagreement.Disagreement, wanted: Any) -> None:
        for allocation in wanted['allocations'].values():
            allocation.pop('generation', None)
        context = nova_context.get_admin_context()
        if not self._client().put_allocations(context, found.who, wanted):
            raise nova_exception.AllocationUpdateFailed(
                consumer_uuid=found.who, error='Placement refuses it'
            )

    def _discard(
        self, found: disagreement.Disagreement, sides: sides_.Sides
    ) -> str | None:
        """Remove a vGPU of ours whose slot has another's by now."""
        assert sides.hardware is not None
        slot = next(
            (
                vgpu.slot
                for gpu in sides.hardware.gpus
                for vgpu in gpu.vgpus
                if vgpu.device == found.where
            ),
            None,
        )
        nova = nova_side.read(self._host, self._node(), sides.providers)
        view = view_.View(
            sides_.Sides(
                self._host,
                sides.providers,
                nova.servers,
                nova.claims,
                hardware=sides.hardware,
            )
        )
        if slot is None or found.where in view.made_for(slot):
            return None
        self._handover.discard([base.Leftover(found.where, slot)])
        return f'removed the vGPU {found.where}, as far as nothing has it'
