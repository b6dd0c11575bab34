"""What each side says of a host's GPUs, for those who compare."""

import collections
import functools

from nova import objects
from nova.compute import vm_states

from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import sysfs

# Of a migration whose claims count no more, though its context is there yet:
# `migration_get_in_progress_and_error_by_host_and_node` of Nova's database.
_ENDED = frozenset(
    {
        *('confirmed', 'reverted', 'failed', 'completed', 'cancelled'),
        'done',
    }
)


class Side:
    """What each side says of one host.

    :param test: the `Cloud` that runs the host
    :param host: the host's name
    """

    def __init__(self, test, host):
        self.test = test
        self.host = host
        self.sysfs = sysfs.Sysfs(test.simulated[host].root)
        self.providers = {
            p['uuid']: p for p in test.gpu_providers(host).values()
        }
        # What each instance has now, and what a resize keeps beside it.
        self.current = collections.defaultdict(list)
        self.kept = collections.defaultdict(list)
        # Those that went to another cell, and have no guest here meanwhile.
        self.away = set()
        # Those that may lack the vGPUs that they claim: in error, whose guests
        # Nova does not start with their host (ComputeManager._init_instance),
        # and those that have no guest that runs on a host which was rebooted:
        # what they claim is made with their guest's next start.
        self.without = set()
        self._read_claims()
        if host in test.rebooted:
            running = {d.UUIDString() for d in self.domains() if d.isActive()}
            self.without |= {
                i for i, _ in self.all_claims() if i not in running
            }

    def _read_claims(self):
        context = self.test.context_at(self.host)
        for found in objects.InstanceList.get_all(context):
            if found.host is None:
                continue
            instance = objects.Instance.get_by_uuid(
                context,
                found.uuid,
                expected_attrs=['resources', 'migration_context'],
            )
            if instance.hidden:
                self.away.add(instance.uuid)
            if instance.vm_state == vm_states.ERROR:
                self.without.add(instance.uuid)
            self._add(self.current, instance.uuid, instance.resources)
            moving = instance.migration_context
            if moving is not None and _is_in_progress(context, moving):
                old, new = moving.old_resources, moving.new_resources
                mine = instance.resources or ()
                kept = {*(old or ()), *(new or ())}.difference(mine)
                self._add(self.kept, instance.uuid, kept)

    def _add(self, record, instance, resources):
        for resource in resources or ():
            if resource.provider_uuid in self.providers:
                record[instance].append(resource)

    def all_claims(self):
        """Every claim, with its instance."""
        for record in (self.current, self.kept):
            for instance, resources in record.items():
                for resource in resources:
                    yield instance, resource

    def expected(self, record, uuid):
        """The devices of what a server has, of `current` or `kept`."""
        return sorted(
            device
            for resource in record[uuid]
            for device in self._devices(resource, uuid)
        )

    def _devices(self, resource, instance):
        slot = model.Slot.parse(resource.identifier)
        if slot.kind == 'api':
            return []
        if not slot.wholes:
            return [vgpu_name(slot, instance)]
        return [f for part in slot.wholes for f in self._functions(part)]

    def _functions(self, slot):
        card = self.described(slot.device)
        return [
            f.address
            for f in self.test.simulated[self.host].description.functions
            if f.address[:-1] == card.address[:-1]
        ]

    def card(self, address):
        """The card at an address, as it is seen."""
        return next(g for g in self.gpus if g.address == address)

    def described(self, address):
        """The function at an address, as the simulated host has it."""
        functions = self.test.simulated[self.host].description.functions
        return next(f for f in functions if f.address == str(address))

    @functools.cached_property
    def gpus(self):
        """The cards, as they are seen."""
        return self.test.survey(self.host).gpus

    def domains(self):
        """The guests, running or not."""
        return list(self.test.connection(self.host)._vms.values())


def _is_in_progress(context, moving):
    """Whether a move is neither ended nor given up, as Nova's tracker asks."""
    migration = objects.Migration.get_by_id(context, moving.migration_id)
    return migration.status not in _ENDED


def vgpu_name(slot, instance):
    """The name of what stands for a slot that is a part of a card."""
    if slot.kind == 'mdev':
        return str(vgpu.uuid_of(slot, instance))
    return str(slot.device)


def device(element):
    """The name of what a <hostdev> is of."""
    address = element.find('source/address')
    if element.get('type') == 'mdev':
        return address.get('uuid')
    return str(
        model.PciAddress(
            *(
                int(address.get(part), 16)
                for part in ('domain', 'bus', 'slot', 'function')
            )
        )
    )
