"""NVIDIA's vGPUs without mdevs: a VF becomes one, and is taken back."""

import errno

from nova_gpuvirt.host import sysfs
from nova_gpuvirt.vendors import nvidia_vfs
from tests.functional import base

_CARD = '0001:c8:00.0'
_CURRENT = 'nvidia/current_vgpu_type'
_TYPE_48Q = 1535


class VendorVfioTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'domain-1')
        self.before = self.host.snapshot()

    def write(self, vf, number):
        path = f'/sys/bus/pci/devices/{vf}/{_CURRENT}'
        self.host.write(path, f'{number}\n')

    def vfs(self):
        (gpu,) = self.survey('host1').gpus
        return nvidia_vfs.read(sysfs.Sysfs(self.host.root), gpu)

    def made(self):
        """The VFs that are vGPUs, with their types."""
        return {str(vf.address): vf.current for vf in self.vfs() if vf.current}

    def unmade(self):
        """A VF that is no vGPU."""
        return next(str(vf.address) for vf in self.vfs() if not vf.current)

    def test_guest_gets_the_vf_as_it_is(self):
        server = self.boot(base.VGPU)
        (hostdev,) = self.hostdevs('host1', server)
        self.assertEqual('no', hostdev.get('managed'))
        self.assertEqual([_TYPE_48Q], list(self.made().values()))
        (provider,) = self.gpu_providers('host1').values()
        self.assertIn(
            'CUSTOM_GPU_CUDA_COMPUTE_CAPABILITY_V12_0', provider['traits']
        )
        self.assert_agreed()

    def test_libvirt_that_is_too_old_for_it(self):
        connection = self.computes['host1'].driver._host.get_connection()
        connection.fakeLibVersion = 9_000_000
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual({_CARD: 0}, self.totals('host1', 'VGPU'))
        self.assertIn('; libvirt 9000000 can not give', self.log())

    def test_driver_refuses_the_type(self):
        self.host.fail(f'*{_CURRENT}', errno.EIO)
        self.boot_refused(base.VGPU)
        self.assertIn(': wanted a vGPU nvidia-dc-48q for instance', self.log())
        self.assertIn('Input/output error', self.log())
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
        self.boot(base.VGPU)
        self.assert_agreed()

    def test_type_that_is_not_creatable_any_more(self):
        spec = {'resources:CUSTOM_VGPU_NVIDIA_DC_24Q': '1'}
        other = self.unmade()

        def somebody_makes_another():
            self.write(other, _TYPE_48Q)

        with self.once_before(base.CLAIM_ON_HOST, somebody_makes_another):
            self.boot_refused(spec)
        self.assertIn('DC_24Q', self.log())
        self.write(other, 0)
        self.run_periodic()
        self.assertEqual(self.before, self.host.snapshot())
        self.boot(spec)
        self.assert_agreed()

    def test_daemon_that_does_not_run_is_named(self):
        self.host.end('nvidia-vgpu-mgr')
        self.boot_refused(base.VGPU)
        self.assertIn('nvidia-vgpu-mgr is not running: start it', self.log())
        self.assert_agreed()

    def test_vgpu_that_nobody_claims_is_taken_away(self):
        server = self.boot(base.VGPU)
        made = self.made()
        other = self.unmade()
        self.write(other, _TYPE_48Q)
        self.run_periodic()
        self.assertEqual(made, self.made())
        self.assertIn(f'Discarded {other}', self.log())
        self.assert_agreed()
        self._delete_server(server)
        self.assertEqual(self.before, self.host.snapshot())

    def test_vgpu_on_a_card_that_is_not_offered_is_somebody_elses(self):
        self.flags(exclude=[_CARD], group='gpuvirt')
        self.restart_compute_service('host1')
        other = self.unmade()
        self.write(other, _TYPE_48Q)
        self.run_periodic()
        self.assertEqual({other: _TYPE_48Q}, self.made())

    def test_vgpu_that_a_process_holds_is_left_and_counted(self):
        other = self.unmade()
        self.write(other, _TYPE_48Q)
        self.host.hold(other)
        self.run_periodic()
        self.assertEqual({other: _TYPE_48Q}, self.made())
        self.assertEqual({_CARD: 1}, self.totals('host1', 'VGPU'))
        self.boot(base.VGPU)
        self.boot_refused(base.VGPU)
        self.host.release_hold(other)
        self.run_periodic()
        self.boot(base.VGPU)
        self.assert_agreed()

    def test_release_that_fails_is_made_good_later(self):
        server = self.boot(base.VGPU)
        self.host.fail(f'*{_CURRENT}', errno.EIO, times=2)
        self._delete_server(server)
        self.assertIn('Not released yet: vendor-vfio:0001:c8', self.log())
        self.run_periodic()
        self.wait_until(lambda: self.totals('host1', 'VGPU') == {_CARD: 2})
        self.assertEqual({}, self.made())
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_type_that_nothing_names_is_made_anew(self):
        # Two fill the card: no list has any type, and no command answers.
        servers = self.boot_many(base.VGPU, 2)
        slots = [self.slot(server) for server in servers]
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        self.restart_compute_service('host1')
        for server in servers:
            self._stop_server(server)
            self._start_server(server)
        self.assertEqual(2 * [_TYPE_48Q], list(self.made().values()))
        self.assertEqual(slots, [self.slot(server) for server in servers])

    def test_restart_takes_nothing_from_running_guests(self):
        servers = [self.boot(base.VGPU), self.boot(base.VGPU)]
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(2, len(self.made()))
        for server in servers:
            self._reboot_server(server, hard=True)
        self.assert_agreed()
        for server in servers:
            self._delete_server(server)
        self.assertEqual(self.before, self.host.snapshot())
