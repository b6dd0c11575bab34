"""Every side says the same of a host's GPUs, or the test fails."""

import collections

from lxml import etree
from nova import objects
from nova.compute import vm_states
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.simulation.commands import fabric_manager
from tests.functional import side as side_

_VFIO = 'vfio-pci'
_ON_PURPOSE = ('provider-of-missing-card',)
_POWER = {
    vm_states.ACTIVE: fakelibvirt.VIR_DOMAIN_RUNNING,
    vm_states.RESCUED: fakelibvirt.VIR_DOMAIN_RUNNING,
    vm_states.PAUSED: fakelibvirt.VIR_DOMAIN_PAUSED,
}


def check(test, host, left=(), moves=()):
    """Compare Placement, Nova's claims, its tracker, the guests and sysfs.

    :param test: the `Cloud` that runs the host
    :param host: the host's name
    :param left: servers of which Nova leaves something behind: what they have
        is not compared
    :param moves: the migrations of these
    :returns: the host as it was seen
    """
    side = _Compared(test, host, left, moves)
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
    side.check_audit()
    return side


class _Compared(side_.Side):
    def __init__(self, test, host, left, moves):
        super().__init__(test, host)
        self.left = left
        self.left_consumers = *left, *moves
        self.has_more_allocated = False

    def check_placement(self):
        """The usages are the claims, and the inventories have room."""
        claimed = collections.Counter(
            (r.provider_uuid, r.resource_class)
            for instance, r in self.all_claims()
            if instance not in self.left
        )
        used = collections.Counter(
            {
                (uuid, rc): amount
                for uuid, provider in self.providers.items()
                for rc, amount in provider['usages'].items()
                if amount
            }
        )
        everything = collections.Counter(
            (r.provider_uuid, r.resource_class) for _, r in self.all_claims()
        )
        self.has_more_allocated = bool(used - everything)
        used -= self._left_allocations()
        self.test.assertEqual(claimed, used, 'claims and usages')
        for uuid, provider in self.providers.items():
            for rc, inventory in provider['inventories'].items():
                room = inventory['total'] - inventory['reserved']
                self.test.assertGreaterEqual(room, used[uuid, rc], rc)

    def _left_allocations(self):
        return collections.Counter(
            {
                (uuid, rc): amount
                for consumer in self.left_consumers
                for uuid, found in self.test._get_allocations_by_server_uuid(
                    consumer
                ).items()
                if uuid in self.providers
                for rc, amount in found['resources'].items()
            }
        )

    def check_tracker(self):
        """The tracker has the same claims, and what one guest may add."""
        tracked = self.test.tracked(self.host)
        of_what_is_left = {
            r.provider_uuid
            for instance, r in self.all_claims()
            if instance in self.left
        }
        for uuid, provider in self.providers.items():
            if uuid in of_what_is_left:
                continue
            for rc, inventory in provider['inventories'].items():
                published, assigned = tracked[uuid][rc]
                claimed = {
                    r.identifier
                    for _, r in self.all_claims()
                    if (r.provider_uuid, r.resource_class) == (uuid, rc)
                }
                self.test.assertEqual(claimed, assigned)
                self.test.assertLessEqual(assigned, published)
                left = (
                    inventory['total'] - inventory['reserved'] - len(claimed)
                )
                more = min(left, inventory['max_unit'])
                self.test.assertEqual(len(claimed) + more, len(published), rc)

    def check_power(self):
        """The guest of an ACTIVE server runs, and that of a paused one waits.

        A guest that is off has its devices in its definition alone.
        """
        states = {d.UUIDString(): d.info()[0] for d in self.domains()}
        for found in objects.InstanceList.get_by_host(
            self.test.context_at(self.host), self.host
        ):
            wanted = _POWER.get(found.vm_state)
            if found.uuid in self.left:
                continue
            if wanted is not None and found.task_state is None:
                self.test.assertEqual(
                    wanted, states.get(found.uuid), f'power of {found.uuid}'
                )

    def check_guests(self):
        """Each guest has the devices that its instance claims, once.

        The old guest of a resize that is not confirmed is there, stopped.
        """
        for domain in self.domains():
            uuid = domain.UUIDString()
            if uuid in self.left:
                continue
            found = sorted(
                side_.device(element)
                for element in self.test.hostdevs(self.host, {'id': uuid})
            )
            allowed = [self.expected(self.current, uuid)]
            if not domain.isActive():
                allowed.append(self.expected(self.kept, uuid))
            self.test.assertIn(found, allowed, f'guest {uuid}')

    def check_vgpus(self):
        """The vGPUs that exist are those that somebody claims.

        One that is in ERROR may not have got so far.
        """
        expected = {
            (side_.vgpu_name(slot, instance), slot.profile): instance
            for instance, resource in self.all_claims()
            if (slot := model.Slot.parse(resource.identifier)).kind
            in ('mdev', 'vendor-vfio')
            and instance not in self.away
        }
        found = {
            (vgpu.device, vgpu.profile)
            for gpu in self.gpus
            for vgpu in gpu.vgpus
        }
        missing = {
            vgpu
            for vgpu, instance in expected.items()
            if vgpu not in found and instance in {*self.without, *self.left}
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
            for _, resource in self.all_claims()
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

    def check_audit(self):
        """nova-compute compares its sides, and finds that they agree.

        The provider of a card that is not there stays, for when it is back.
        What Nova leaves is named, and what may follow from it; of one with a
        task that does not end not before an hour is over.
        """
        found = self.test.audit(self.host)
        # A record that a test has made nonsense is told, and not compared.
        self.test.assertLessEqual({*found.not_compared}, {'records'})
        named = {d.who for d in found.disagreements}
        rules = set(_ON_PURPOSE)
        if self._left_allocations():
            if self.has_more_allocated and all(
                map(self._has_no_task, self.left)
            ):
                self.test.assertTrue(named & {*self.left_consumers}, named)
            rules.add('over-capacity')
        wrong = [
            str(d)
            for d in found.disagreements
            if d.rule not in rules and d.who not in self.left_consumers
        ]
        self.test.assertEqual([], wrong)

    def _has_no_task(self, server):
        found = objects.Instance.get_by_uuid(
            self.test.context_at(self.host), server
        )
        return found.task_state is None

    def check_drivers(self):
        """VFIO has what running guests have; the rest has its driver."""
        taken = {
            side_.device(element): element
            for domain in self.domains()
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
        for gpu in self.gpus:
            for function in gpu.functions:
                address = str(function.address)
                self._check_driver(address, native[address], taken)
            for vf in gpu.virtfns:
                pf = self.described(gpu.address)
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
        for domain in self.domains():
            uuid = domain.UUIDString()
            nodes = [
                f'/dev/dri/{self.card(slot.device).render_node}'
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
