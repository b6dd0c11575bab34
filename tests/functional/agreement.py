"""Every side says the same of a host's GPUs, or the test fails."""

import collections
import functools

from lxml import etree
from nova import objects
from nova.compute import vm_states
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation.commands import fabric_manager

_VFIO = 'vfio-pci'
_POWER = {
    vm_states.ACTIVE: fakelibvirt.VIR_DOMAIN_RUNNING,
    vm_states.RESCUED: fakelibvirt.VIR_DOMAIN_RUNNING,
    vm_states.PAUSED: fakelibvirt.VIR_DOMAIN_PAUSED,
}


def check(test, host):
    """Compare Placement, Nova's claims, its tracker, the guests and sysfs.

    :param test: the `Cloud` that runs the host
    :param host: the host's name
    :returns: the host as it was seen
    """
    side = _Side(test, host)
    side.check_placement()
    side.check_tracker()
    side.check_guests()
    side.check_power()
    side.check_vgpus()
    side.check_renderers()
    side.check_drivers()
    side.check_partitions()
    side.check_resets()
    side.check_wedged()
    return side


class _Side:
    def __init__(self, test, host):
        self.test = test
        self.host = host
        self.compute = test.computes[host]
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
            running = {d.UUIDString() for d in self._domains() if d.isActive()}
            self.without |= {i for i, _ in self._all() if i not in running}

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
            if moving is not None:
                old, new = moving.old_resources, moving.new_resources
                mine = instance.resources or ()
                kept = {*(old or ()), *(new or ())}.difference(mine)
                self._add(self.kept, instance.uuid, kept)

    def _add(self, record, instance, resources):
        for resource in resources or ():
            if resource.provider_uuid in self.providers:
                record[instance].append(resource)

    def _all(self):
        for record in (self.current, self.kept):
            for instance, resources in record.items():
                for resource in resources:
                    yield instance, resource

    def check_placement(self):
        """The usages are the claims, and the inventories have room."""
        claimed = collections.Counter(
            (r.provider_uuid, r.resource_class) for _, r in self._all()
        )
        used = collections.Counter(
            {
                (uuid, rc): amount
                for uuid, provider in self.providers.items()
                for rc, amount in provider['usages'].items()
                if amount
            }
        )
        self.test.assertEqual(claimed, used, 'claims and usages')
        for uuid, provider in self.providers.items():
            for rc, inventory in provider['inventories'].items():
                room = inventory['total'] - inventory['reserved']
                self.test.assertGreaterEqual(room, used[uuid, rc], rc)

    def check_tracker(self):
        """The tracker has the same claims, and what one guest may add."""
        tracker = self.compute.manager.rt
        for uuid, provider in self.providers.items():
            published = tracker.provider_tree.data(uuid).resources
            assigned = tracker.assigned_resources[uuid]
            for rc, inventory in provider['inventories'].items():
                claimed = {
                    r.identifier
                    for _, r in self._all()
                    if (r.provider_uuid, r.resource_class) == (uuid, rc)
                }
                self.test.assertEqual(
                    claimed, {r.identifier for r in assigned[rc]}
                )
                self.test.assertLessEqual(assigned[rc], published[rc])
                left = (
                    inventory['total'] - inventory['reserved'] - len(claimed)
                )
                more = min(left, inventory['max_unit'])
                self.test.assertEqual(
                    len(claimed) + more, len(published[rc]), rc
                )

    def check_power(self):
        """The guest of an ACTIVE server runs, and that of a paused one waits.

        A guest that is off has its devices in its definition alone.
        """
        states = {d.UUIDString(): d.info()[0] for d in self._domains()}
        for found in objects.InstanceList.get_by_host(
            self.test.context_at(self.host), self.host
        ):
            wanted = _POWER.get(found.vm_state)
            if wanted is not None and found.task_state is None:
                self.test.assertEqual(
                    wanted, states.get(found.uuid), f'power of {found.uuid}'
                )

    def check_guests(self):
        """Each guest has the devices that its instance claims, once.

        The old guest of a resize that is not confirmed is there, stopped.
        """
        for domain in self._domains():
            uuid = domain.UUIDString()
            found = sorted(
                _device(element)
                for element in self.test.hostdevs(self.host, {'id': uuid})
            )
            allowed = [self._expected(self.current, uuid)]
            if not domain.isActive():
                allowed.append(self._expected(self.kept, uuid))
            self.test.assertIn(found, allowed, f'guest {uuid}')

    def _expected(self, record, uuid):
        return sorted(
            device
            for resource in record[uuid]
            for device in self._devices(resource, uuid)
        )

    def check_vgpus(self):
        """The vGPUs that exist are those that somebody claims."""
        expected = {
            (_vgpu(slot, instance), slot.profile): instance
            for instance, resource in self._all()
            if (slot := model.Slot.parse(resource.identifier)).kind
            in ('mdev', 'vendor-vfio')
            and instance not in self.away
        }
        found = {
            (vgpu.device, vgpu.profile)
            for gpu in self._gpus
            for vgpu in gpu.vgpus
        }
        missing = {
            vgpu
            for vgpu, instance in expected.items()
            if vgpu not in found and instance in self.without
        }
        self.test.assertEqual({*expected} - missing, found)

    def check_partitions(self):
        """NVSwitches join what somebody claims, and nothing else."""
        host = self.test.simulated[self.host]
        service = host.description.services.get(fabric_manager.DAEMON)
        if service is None:
            return
        modules = {
            f.address: f.pf_driver.module
            for f in host.description.functions
            if f.pf_driver is not None
        }
        claimed = {
            tuple(sorted(modules[str(part.device)] for part in slot.wholes))
            for _, resource in self._all()
            if (slot := model.Slot.parse(resource.identifier)).wholes
        }
        active = {fabric_manager.DEFAULT[n] for n in service.active}
        self.test.assertEqual(claimed, active)

    def check_resets(self):
        """No function is as a guest left it, for the next one to find."""
        host = self.test.simulated[self.host]
        self.test.assertEqual(frozenset(), host.unclean())

    def check_wedged(self):
        """No guest was killed while its vGPU's plugin started."""
        self.test.assertEqual(
            frozenset(), self.test.simulated[self.host].wedged()
        )

    def check_drivers(self):
        """VFIO has what running guests have; the rest has its driver."""
        taken = {
            _device(element): element
            for domain in self._domains()
            if domain.isActive()
            for element in self.test.hostdevs(
                self.host, {'id': domain.UUIDString()}
            )
            if element.get('managed') == 'yes'
        }
        native = {
            f.address: f.driver
            for f in self.test.simulated[self.host].description.functions
        }
        for gpu in self._gpus:
            for function in gpu.functions:
                address = str(function.address)
                self._check_driver(address, native[address], taken)
            for vf in gpu.virtfns:
                pf = self._described(gpu.address)
                self._check_driver(str(vf), pf.vfs.driver, taken)

    def _check_driver(self, address, native, taken):
        expected = native
        if address in taken:
            variant = taken[address].find('driver')
            expected = _VFIO if variant is None else variant.get('model')
        driver = self.sysfs.link(model.PciAddress.parse(address), 'driver')
        self.test.assertEqual(expected, driver, address)

    def check_renderers(self):
        """Each guest draws with the node that its instance claims."""
        for domain in self._domains():
            uuid = domain.UUIDString()
            nodes = [
                f'/dev/dri/{self._card(slot.device).render_node}'
                for resource in self.current[uuid]
                if (slot := model.Slot.parse(resource.identifier)).kind
                == 'api'
            ]
            if domain.isActive():
                xml = etree.fromstring(domain.XMLDesc(0))
                found = xml.xpath(
                    "//graphics[@type='egl-headless']/gl/@rendernode"
                )
                self.test.assertEqual(nodes, found, uuid)

    def _devices(self, resource, instance):
        slot = model.Slot.parse(resource.identifier)
        if slot.kind == 'api':
            return []
        if not slot.wholes:
            return [_vgpu(slot, instance)]
        return [f for part in slot.wholes for f in self._functions(part)]

    def _functions(self, slot):
        card = self._described(slot.device)
        return [
            f.address
            for f in self.test.simulated[self.host].description.functions
            if f.address[:-1] == card.address[:-1]
        ]

    def _card(self, address):
        return next(g for g in self._gpus if g.address == address)

    def _described(self, address):
        functions = self.test.simulated[self.host].description.functions
        return next(f for f in functions if f.address == str(address))

    @functools.cached_property
    def _gpus(self):
        return self.test.survey(self.host).gpus

    def _domains(self):
        connection = self.compute.driver._host.get_connection()
        return list(connection._vms.values())


def _vgpu(slot, instance):
    """The name of what stands for a slot that is a part of a card."""
    if slot.kind == 'mdev':
        return str(vgpu.uuid_of(slot, instance))
    return str(slot.device)


def _device(element):
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
