"""Every side says the same of a host's GPUs, or the test fails."""

import collections

from nova import context as nova_context
from nova import objects

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt import pciids
from nova_gpuvirt import sysfs
from nova_gpuvirt import vgpu
from nova_gpuvirt import wishes

_VFIO = 'vfio-pci'


def check(test, host):
    """Compare Placement, Nova's claims, its tracker, the guests and sysfs.

    :param test: the `Cloud` that runs the host
    :param host: the host's name
    """
    side = _Side(test, host)
    side.check_placement()
    side.check_tracker()
    side.check_guests()
    side.check_mdevs()
    side.check_drivers()


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
        self._read_claims()

    def _read_claims(self):
        context = nova_context.get_admin_context()
        for found in objects.InstanceList.get_all(context):
            if found.host is None:
                continue
            instance = objects.Instance.get_by_uuid(
                context,
                found.uuid,
                expected_attrs=['resources', 'migration_context'],
            )
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
        """The tracker has the same claims, and can give the rest."""
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
                room = inventory['total'] - inventory['reserved']
                self.test.assertEqual(room, len(published[rc]), rc)

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

    def check_mdevs(self):
        """The mdevs that exist are those that somebody claims."""
        expected = {
            str(vgpu.uuid_of(slot, instance))
            for instance, resource in self._all()
            if (slot := model.Slot.parse(resource.identifier)).kind
            is model.Kind.MDEV
        }
        folder = self.test.simulated[self.host].root / 'sys/bus/mdev/devices'
        self.test.assertEqual(
            expected, {path.name for path in folder.iterdir()}
        )

    def check_drivers(self):
        """VFIO has what running guests have; the rest has its driver."""
        taken = {
            device
            for domain in self._domains()
            if domain.isActive()
            for element in self.test.hostdevs(
                self.host, {'id': domain.UUIDString()}
            )
            for device in [_device(element)]
        }
        native = {
            f.address: f.driver
            for f in self.test.simulated[self.host].description.functions
        }
        for gpu in self._gpus():
            for function in (gpu.function, *gpu.companions):
                address = str(function.address)
                expected = _VFIO if address in taken else native[address]
                self.test.assertEqual(expected, function.driver, address)

    def _devices(self, resource, instance):
        slot = model.Slot.parse(resource.identifier)
        if slot.kind is model.Kind.MDEV:
            return [str(vgpu.uuid_of(slot, instance))]
        functions = self.test.simulated[self.host].description.functions
        card = next(f for f in functions if f.address == str(slot.address))
        return [
            f.address
            for f in functions
            if f.address == card.address
            or (
                f.address[:-1] == card.address[:-1]
                and f.iommu_group == card.iommu_group
            )
        ]

    def _gpus(self):
        names = pciids.PciIds([])
        return gpus.survey(self.sysfs, names, wishes.Wishes()).gpus

    def _domains(self):
        connection = self.compute.driver._host.get_connection()
        return list(connection._vms.values())


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
