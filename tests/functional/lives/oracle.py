"""What has to be so after each step of a life.

`agreement` compares all sides of a host. This adds what goes beyond one
moment, and what the hardware itself says of what is left.
"""

import collections

from nova import objects

from nova_gpuvirt import model
from tests.functional import agreement
from tests.functional import side as side_
from tests.functional.lives import world as world_


class Oracle:
    """Compares a world with what it was one step ago."""

    def __init__(self, world):
        self._world = world
        self._pinning = {}

    def check(self):
        """Compare everything, when all is at rest and up to date.

        :raises AssertionError: when something is not as it has to be
        """
        self.check_owners()
        for host in self._world.hosts:
            side = agreement.check(self._world, host)
            self._check_room(side)
        self._check_pinning()
        for server in self._world.servers:
            server.moving = False

    def check_owners(self):
        """No device has two owners, whatever else is not right by now."""
        self._check_claims()
        for host in self._world.hosts:
            self._check_domains(host)

    def _check_claims(self):
        """No two instances claim the same, nor a card and a part of it.

        A provider is a card.
        """
        owners = collections.defaultdict(set)
        wholes = collections.defaultdict(set)
        for instance, resource in self._claims():
            slot = model.Slot.parse(resource.identifier)
            card = resource.provider_uuid
            place = 'whole' if slot.takes_all else slot.place
            owners[card, place].add(instance)
            if slot.kind != 'api':
                wholes[card].add((slot.takes_all, instance))
        for (card, place), who in owners.items():
            self._world.assertEqual(1, len(who), (card, place, who))
        for card, who in wholes.items():
            if any(takes_all for takes_all, _ in who):
                self._world.assertEqual(1, len(who), (card, who))

    def _claims(self):
        """Give what each instance claims, and what a resize keeps for it."""
        for instance in self._world.instances():
            # Nova forgets no claims of what is shelved
            # (ComputeManager._shelve_offload_instance), and frees them.
            if instance.host is None:
                continue
            kept = [*(instance.resources or ())]
            moving = instance.migration_context
            if moving is not None:
                kept += [*(moving.old_resources or ())]
                kept += [*(moving.new_resources or ())]
            for resource in kept:
                yield instance.uuid, resource

    def _check_domains(self, host):
        """No two guests that run have the same device, or CPU."""
        owners = collections.defaultdict(set)
        compute = self._world.computes.get(host)
        if compute is None:
            return
        for domain in compute.driver._host.get_connection()._vms.values():
            if not domain.isActive():
                continue
            server = {'id': domain.UUIDString()}
            guest = self._world.guest(host, server)
            for element in guest.iter('hostdev'):
                owners[side_.device(element)].add(server['id'])
            if guest.find('vcpu').get('cpuset') is None:
                for cpu in guest.xpath('cputune/vcpupin/@cpuset'):
                    owners[f'CPU {cpu}'].add(server['id'])
        for device, who in owners.items():
            if device.startswith('CPU') and not device[4:].isdigit():
                continue
            self._world.assertEqual(1, len(who), (host, device, who))

    def _check_pinning(self):
        """No guest has other CPUs than before, unless it may have moved."""
        now = {s.id: self._pins(s) for s in self._world.servers}
        for server in self._world.servers:
            before = self._pinning.get(server.id)
            if before is not None and not server.moving:
                self._world.assertEqual(
                    before, now[server.id], f'CPUs of {server.name}'
                )
            self._check_guests_pins(server, now[server.id])
        self._pinning = now

    def _pins(self, server):
        if server.host is None:
            return None
        topology = objects.Instance.get_by_uuid(
            self._world.context_at(server.host),
            server.id,
            expected_attrs=['numa_topology'],
        ).numa_topology
        if topology is None:
            return frozenset()
        return frozenset(
            pin
            for c in topology.cells
            for pin in (c.cpu_pinning or {}).items()
        )

    def _check_guests_pins(self, server, pins):
        """The guest has the CPUs that Nova says."""
        if server.status != world_.ACTIVE or not pins:
            return
        guest = self._world.guest(server.host, {'id': server.id})
        found = frozenset(
            (int(p.get('vcpu')), int(p.get('cpuset')))
            for p in guest.iterfind('cputune/vcpupin')
        )
        self._world.assertEqual(pins, found, f'CPUs of {server.name}')

    def _check_room(self, side):
        """What is published as left is what the hardware would give now.

        The drivers say how many more they make; a VF, and a card, is left
        when nobody claims it.
        """
        cards = {str(g.address): g for g in side.gpus}
        claims = collections.defaultdict(list)
        unmade = set()
        for instance, resource in side.all_claims():
            slot = model.Slot.parse(resource.identifier)
            claims[resource.provider_uuid].append(slot)
            if instance in side.without:
                # The driver does not know of it, where it was not made.
                unmade.add(resource.provider_uuid)
        for uuid, provider in side.providers.items():
            address = provider['name'].rpartition('_')[2]
            if address not in cards or uuid in unmade:
                continue
            if {
                'CUSTOM_GPU_QUARANTINED',
                'CUSTOM_GPU_MISSING',
            }.intersection(provider['traits']):
                continue
            left = {
                rc: i['total'] - i['reserved'] - provider['usages'].get(rc, 0)
                for rc, i in provider['inventories'].items()
            }
            self._check_card(side.host, cards[address], claims[uuid], left)

    def _check_card(self, host, gpu, claimed, left):
        taken = any(slot.takes_all for slot in claimed)
        parts = [s for s in claimed if not s.takes_all and s.kind != 'api']
        for rc, n in left.items():
            if n and (taken or (rc == 'PGPU' and parts)):
                self._world.fail(f'{host} {gpu.address}: {n} of {rc} left')
        if taken:
            return
        for share in gpu.shares:
            if share.kind == 'api':
                continue
            of_kind = [s for s in parts if s.kind == share.kind]
            for profile in share.profiles:
                n = left.get(profile.resource_class)
                if n is None:
                    continue
                if profile.places is not None:
                    free = {*profile.places} - {s.device for s in of_kind}
                    most = len(free)
                    if share.kind == 'vendor-vfio':
                        most = min(most, profile.available)
                else:
                    most = profile.available
                why = f'{host} {gpu.address}: {profile.slug}'
                if share.refusal is None and profile.offered:
                    self._world.assertEqual(most, n, why)
                else:
                    self._world.assertEqual(0, n, why)
