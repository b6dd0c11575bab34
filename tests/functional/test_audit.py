"""Each kind of disagreement is planted, and found; what is safe is put right.

`agreement` holds for all other tests that what agrees is found to.
"""

import uuid

import fixtures
from nova import objects
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import model
from nova_gpuvirt.audit import claim_rules
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.simulation.commands import fabric_manager
from tests.functional import audited
from tests.functional import base

_LIVE = fakelibvirt.VIR_DOMAIN_AFFECT_LIVE
_CONFIG = fakelibvirt.VIR_DOMAIN_AFFECT_CONFIG
_STRANGER = '455d900f-4e14-4e4c-a73d-069cbf4541e6'
_IMAGE_COMES = 'nova.virt.libvirt.driver.LibvirtDriver._create_image'


class ClaimTest(audited.AuditCase):
    """What Nova's database says is not what all others say."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'mixed')
        self.one = self.boot(audited.T4_8Q)
        self.two = self.boot(audited.T4_8Q)
        self.run_periodic()
        self.assertEqual(set(), self.rules())

    def test_claims_that_differ(self):
        first = self.slot(self.one)

        def rename(identifier):
            def how(resources):
                resources[0].identifier = identifier
                return resources

            return how

        second = self.slot(self.two)
        self.change_resources(self.two, rename(first))
        self.assertEqual(
            {
                'claimed-twice',
                'claim-without-vgpu',
                'guest-lacks-claimed',
                'guest-has-unclaimed',
                'definition-differs',
                'tracked-without-claim',
            },
            self.rules(),
        )
        self.change_resources(self.two, rename('a slot of tomorrow'))
        self.assertLessEqual(
            {'claim-unreadable', 'claim-untracked', 'tracked-without-claim'},
            self.rules(),
        )
        self.change_resources(self.two, rename(second))
        self.assertEqual(set(), self.rules())
        self.change_resources(self.two, lambda resources: [])
        self.assertLessEqual(
            {'allocation-without-claim', 'guest-has-unclaimed'}, self.rules()
        )
        self.assert_told('allocation-without-claim')

    def test_task_that_does_not_end(self):
        instance = objects.Instance.get_by_uuid(
            self.context_at('host1'), self.one['id']
        )
        instance.task_state = 'resize_prep'
        instance.save()
        self.free(self.one['id'], audited.T4)
        self.assertEqual(set(), self.rules())
        self.useFixture(fixtures.MockPatchObject(claim_rules, 'LONG', 0.0))
        self.assertEqual({'task-without-end'}, self.rules())
        instance.task_state = None
        instance.save()
        self.assertEqual({'claim-without-allocation'}, self.rules())

    def test_card_that_is_gone(self):
        server = self.boot(base.PGPU)
        self.host.unplug(audited.MI210)
        self.host.unplug(audited.L40S)
        self.assertEqual(
            {'claim-of-missing-card', 'provider-of-missing-card'},
            self.rules(),
        )
        self.assertEqual(server['id'], self.the('claim-of-missing-card').who)
        self.assert_told('claim-of-missing-card')
        self.host.plug(audited.MI210)
        self.host.plug(audited.L40S)
        self.run_periodic()
        self.assertIn('They agree again: claim-of-missing-card', self.log())


class PlacementTest(audited.AuditCase):
    """What Placement has allocated is not what Nova has claimed."""

    def setUp(self):
        super().setUp()
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'mixed')
        self.server = self.boot(base.PGPU, host='host2')

    def audit_of(self, host):
        return self.computes[host].driver._auditing

    def test_allocation_is_put_right_with_the_second_look(self):
        gone = self.boot(audited.T4_8Q, host='host1')
        self._delete_server(gone)
        self.allocate(gone['id'], audited.T4, 'VGPU')
        self.assertEqual({'allocation-of-deleted'}, self.rules())
        self.run_periodic('host1')
        self.assertNotIn('Put right', self.log())
        self.run_periodic('host1')
        self.assertEqual(1, self.log().count('Put right'))
        self.assertEqual({}, self.allocated(gone['id']))
        self.assert_agreed()

    def test_allocation_of_a_server_elsewhere_is_left_to_the_operator(self):
        self.allocate(self.server['id'], audited.MI210, 'PGPU')
        self.assertEqual({'allocation-of-server-elsewhere'}, self.rules())
        self.assert_told('allocation-of-server-elsewhere')
        self.assertIn(
            self.provider(audited.MI210), self.allocated(self.server['id'])
        )

    def test_allocation_of_a_move_that_ended_is_left_to_the_operator(self):
        server = self._migrate_server(self.boot(audited.T4_8Q, host='host1'))
        self._confirm_resize(server)
        (migration,) = self.api.api_get('/os-migrations').body['migrations']
        self.allocate(migration['uuid'], audited.T4, 'VGPU')
        self.assertEqual({'allocation-of-ended-move'}, self.rules())
        self.assert_told('allocation-of-ended-move')
        self.assertNotEqual({}, self.allocated(migration['uuid']))

    def test_allocation_of_nobody_is_left_to_the_operator(self):
        stranger = str(uuid.uuid4())
        self.allocate(stranger, audited.T4, 'VGPU')
        self.assertEqual({'allocation-of-nobody'}, self.rules())
        self.assert_told('allocation-of-nobody')
        self.assertNotEqual({}, self.allocated(stranger))
        # A whole card takes the rest of its card away.
        self.boot(
            base.PGPU | {'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required'},
            host='host1',
        )
        self.assertEqual(
            {'allocation-of-nobody', 'over-capacity'}, self.rules()
        )

    def test_claim_without_allocation_is_put_right_by_the_command(self):
        server = self.server['id']
        self.free(server, audited.MI210, 'host2')
        self.assertEqual({'claim-without-allocation'}, self.rules('host2'))
        self.assert_told('claim-without-allocation')
        auditing = self.audit_of('host2')
        auditing.look_twice(0)
        ((found, done),) = auditing.fix()
        self.assertEqual('claim-without-allocation', found.rule)
        self.assertIn('allocated 1 of PGPU', done)
        self.run_periodic()
        self.assert_agreed()

    def test_side_that_does_not_answer_is_named(self):
        with fixtures.MockPatchObject(
            hypervisor.Hypervisor, 'guests', side_effect=OSError('broken pipe')
        ):
            found = self.audit('host2')
            for _ in range(2):
                self.run_periodic('host2')
        self.assertEqual((), found.disagreements)
        self.assertEqual({'libvirt': 'broken pipe'}, found.not_compared)
        told = 'libvirt is not compared: broken pipe'
        self.assertEqual(1, self.log().count(told))

    def test_what_nova_is_at_is_not_told(self):
        def look():
            for _ in range(3):
                self.run_periodic()

        with self.once_before(_IMAGE_COMES, look):
            server = self.boot(audited.T4_8Q)
        with self.once_before(_IMAGE_COMES, look):
            server = self._migrate_server(server)
        look()
        self._revert_resize(server)
        look()
        self._shelve_server(server)
        look()
        with self.once_before(_IMAGE_COMES, look):
            self._unshelve_server(server)
        look()
        self.assert_silent()


class GuestTest(audited.AuditCase):
    """Guests, vGPUs and records are not what servers claim."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'mixed')
        self.server = self.boot(audited.T4_8Q)
        self.index = model.Slot.parse(self.slot(self.server)).index
        self.mdev = self.mdev_of(self.server['id'], self.index)
        self.run_periodic()
        self.assertEqual(set(), self.rules())

    def test_guest_that_gave_its_device_up(self):
        domain = self.domain(self.server)
        xml = audited.hostdev(self.mdev)
        domain.detachDeviceFlags(xml, _LIVE)
        self.assertEqual({'guest-lacks-claimed'}, self.rules())
        self.assert_told('guest-lacks-claimed')
        domain.detachDeviceFlags(xml, _CONFIG)
        self.assertEqual(
            {'guest-lacks-claimed', 'definition-differs'}, self.rules()
        )
        self._reboot_server(self.server, hard=True)
        self.assertEqual(set(), self.rules())

    def test_guest_that_was_given_another_device(self):
        more = self.mdev_of(_STRANGER, 1 - self.index)
        self.make(more)
        self.assertEqual({'vgpu-without-claim'}, self.rules())
        self.domain(self.server).attachDeviceFlags(
            audited.hostdev(more), _LIVE
        )
        self.assertEqual({'guest-has-unclaimed'}, self.rules())
        self.assert_told('guest-has-unclaimed')

    def test_guest_that_is_off_and_guest_of_nobody(self):
        copy = self.define_copy(self.server)
        self.assertEqual(
            {'orphan-guest', 'device-in-two-guests'}, self.rules()
        )
        self.assertEqual(copy, self.the('orphan-guest').who)
        self.assert_told('orphan-guest')
        self.connection('host1').lookupByUUIDString(copy).undefine()
        self.domain(self.server).destroy()
        self.assertEqual({'active-without-guest'}, self.rules())

    def test_vgpu_of_an_earlier_server_is_taken_away(self):
        earlier = self.mdev_of(_STRANGER, self.index)
        foreign = str(uuid.uuid4())
        self.make(earlier)
        self.assertEqual({'vgpu-of-earlier-server'}, self.rules())
        self.run_periodic()
        self.assertTrue(self.exists(earlier))
        self.run_periodic()
        self.assertFalse(self.exists(earlier))
        self.assertIn('Put right: vgpu-of-earlier-server', self.log())
        self.make(foreign)
        for _ in range(3):
            self.run_periodic()
        self.assertEqual(set(), self.rules())
        self.assertTrue(self.exists(foreign))

    def test_vgpu_that_a_process_holds_is_told(self):
        leftover = self.mdev_of(_STRANGER, 1 - self.index)
        self.make(leftover)
        self.host.hold(leftover)
        self.assert_told('vgpu-without-claim')
        self.host.release_hold(leftover)
        self.run_periodic()
        self.assertIn('They agree again: vgpu-without-claim', self.log())

    def test_vgpu_that_is_gone_under_its_guest(self):
        self.host.release_hold(self.mdev)
        self.host.write(f'/sys/bus/mdev/devices/{self.mdev}/remove', '1')
        self.assertEqual({'claim-without-vgpu'}, self.rules())


class RecordTest(audited.AuditCase):
    """What is remembered of a card is not what its server does."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'mixed')
        self.server = self.boot(base.PGPU)
        self.dirty = audited.dirty_after(
            self.server['id'], self.slot(self.server)
        )
        self.run_periodic()
        self.assertEqual(set(), self.rules())

    def test_guest_that_nobody_would_clean_after(self):
        self.change_record(audited.MI210, lambda one: one.cleaned(self.dirty))
        self.assertEqual({'not-remembered'}, self.rules())
        self.run_periodic()
        self.assertEqual(set(), self.rules())

    def test_card_that_is_dirty_after_another(self):
        other = audited.dirty_after(_STRANGER, self.dirty.slot)
        self.change_record(audited.MI210, lambda one: one.with_dirty(other))
        self.assertEqual({'dirty-and-claimed'}, self.rules())

    def test_card_that_vfio_has_kept(self):
        self._delete_server(self.server)
        self.bind(audited.MI210, 'vfio-pci')
        self.assertEqual({'driver-not-back'}, self.rules())
        self.connection('host1').reattach_pci(audited.MI210)
        self.assertEqual(set(), self.rules())
        # Who moves it there later means it.
        self.bind(audited.MI210, 'vfio-pci')
        self.assertEqual(set(), self.rules())


class PartitionTest(audited.AuditCase):
    def test_partition_that_nobody_claims(self):
        self.start_gpu_host('host1', 'hgx-h100')
        self.assertEqual(set(), self.rules())
        services = self.simulated['host1'].description.services
        services[fabric_manager.DAEMON].active.add(3)
        driver = self.computes['host1'].driver
        driver._gpus.survey(refresh=True)
        self.assertEqual({'partition-without-claim'}, self.rules())
        self.run_periodic()
        self.assertEqual(set(), self.rules())
        self.assert_silent()
