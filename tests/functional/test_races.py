"""Two servers that want the same thing at once: one gets it.

Nova's harness does everything that follows from a request before it answers,
so a race is made by a second request at the chosen moment of the first.
"""

import fixtures

from nova_gpuvirt.compute.claims import unsaved
from tests.functional import base

_IMAGE_COMES = 'nova.virt.libvirt.driver.LibvirtDriver._create_image'
_COMES_BACK = 'nova.compute.manager.ComputeManager._finish_revert_resize'
_BEFORE_FIRST_SAVE = 'nova.compute.manager.ComputeManager._allocate_network'


class RaceTest(base.GpuTestCase):
    def test_two_boots_for_the_last_slot(self):
        self.start_gpu_host('host1', 'gvtg')
        self.boot(base.VGPU)
        rivals = []
        with self.once_before(
            base.CLAIM_IN_PLACEMENT,
            lambda: rivals.append(self.boot(base.VGPU)),
        ):
            fault = self.boot_refused(base.VGPU)
        self.assertIn('No valid host', fault)
        self.assertEqual(1, len(self.claims(rivals[0])))
        self.assert_agreed()

    def test_whole_card_and_a_part_of_it(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 't4')
        for address in ('5e', 'af', 'd8'):
            for host in self.simulated.values():
                host.unplug(f'0000:{address}:00.0')
        self.run_periodic()
        rivals = []

        def boot_rival():
            (provider,) = self.allocated('PGPU')
            host = provider.partition('_')[0]
            rivals.append(self.boot(base.VGPU, host=host))

        with self.once_before(base.CLAIM_ON_HOST, boot_rival):
            whole = self.boot(base.PGPU)
        self.assertNotEqual(
            rivals[0]['OS-EXT-SRV-ATTR:host'], whole['OS-EXT-SRV-ATTR:host']
        )
        self.assert_agreed()

    def test_periodic_update_between_claim_and_save(self):
        self.start_gpu_host('host1', 'gvtg')
        with self.once_before(_BEFORE_FIRST_SAVE, self.run_periodic):
            first = self.boot(base.VGPU)
        self.assertEqual({'0000:00:02.0': 1}, self.totals('host1', 'VGPU'))
        second = self.boot(base.VGPU)
        self.assertNotEqual(self.slot(first), self.slot(second))
        self.assert_agreed()

    def test_what_vgpu_means_changes_before_the_claim(self):
        self.start_gpu_host('host1', 't4')
        for address in ('5e', 'af', 'd8'):
            self.simulated['host1'].unplug(f'0000:{address}:00.0')
        self.run_periodic()
        small = {'resources:CUSTOM_VGPU_NVIDIA_T4_2Q': '1'}
        large = base.VGPU | {
            'trait:CUSTOM_GPU_PROFILE_NVIDIA_T4_8Q': 'required'
        }
        with self.once_before(base.CLAIM_ON_HOST, lambda: self.boot(small)):
            self.boot_refused(large)
        self.assertIn('wanted CUSTOM_GPU_PROFILE_NVIDIA_T4_8Q', self.log())
        self.assert_agreed()

    def test_card_of_a_server_on_its_way_back(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'workstation')
        mover = self._migrate_server(self.boot(base.PGPU, host='host1'))

        def update_and_boot():
            self.run_periodic('host1')
            self.boot_refused(base.PGPU)

        with self.once_before(_COMES_BACK, update_and_boot):
            mover = self._revert_resize(mover)
        self.assertEqual('host1', mover['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(4, len(self.hostdevs('host1', mover)))
        self.run_periodic()
        self.assert_agreed()

    def test_claim_that_only_the_database_knows(self):
        self.start_gpu_host('host1', 'workstation')
        first = self.boot(base.PGPU)
        self._delete_server_allocations(first['id'])
        for happens in (
            lambda: None,
            self.run_periodic,
            lambda: self.restart_compute_service('host1'),
        ):
            happens()
            self.computes['host1'].manager.rt.assigned_resources.clear()
            # A host that is named passes the filter, which knows better here.
            before = len(self.log())
            self.boot_refused(base.PGPU, az='nova:host1')
            self.assertIn(
                f'is claimed 2 times, also by instance {first["id"]}',
                self.log()[before:],
            )
        self.assertEqual(4, len(self.hostdevs('host1', first)))

    def test_claim_of_an_unshelved_server_is_saved_before_its_image_comes(
        self,
    ):
        self.useFixture(
            fixtures.MockPatchObject(unsaved.UnsavedClaims, 'heal')
        )
        self.start_gpu_host('host1', 'gvtg')
        server = self.boot(base.VGPU)
        self._shelve_server(server)
        self.start_gpu_host('host2', 'gvtg')
        self.disable('host1')
        known = []

        def update():
            self.run_periodic('host2')
            tracker = self.computes['host2'].manager.rt
            for classes in tracker.assigned_resources.values():
                known.extend(r.identifier for r in classes['VGPU'])

        with self.once_before(_IMAGE_COMES, update):
            self._unshelve_server(server)
        self.assertEqual([self.slot(server)], known)
        self.assert_agreed('host2')

    def disable(self, host):
        """Keep new servers from a host."""
        service = next(s for s in self.api.get_services() if s['host'] == host)
        self.api.put_service(service['id'], {'status': 'disabled'})

    def allocated(self, rc):
        """The names of the providers of which a class is in use."""
        return [
            provider['name']
            for host in self.computes
            for provider in self.gpu_providers(host).values()
            if provider['usages'].get(rc)
        ]
