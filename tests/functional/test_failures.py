"""Hardware fails alone: the rest goes on, and nothing is lost."""

import errno
import uuid

import fixtures

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from tests.functional import base

_CARD = '0000:3b:00.0'
_CREATE = '*/mdev_supported_types/*/create'


class BootFailureTest(base.GpuTestCase):
    def test_driver_that_refuses_a_vgpu_sends_the_boot_elsewhere(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'gvtg')
            self.simulated[host].fail(_CREATE, errno.EIO, times=1)
        before = {n: h.snapshot() for n, h in self.simulated.items()}
        fault = self.boot_refused(base.VGPU)
        self.assertIn('Exceeded maximum number of retries', fault)
        self.assertIn('Input/output error', self.log())
        self.assert_agreed()
        for name, host in self.simulated.items():
            self.assertEqual(before[name], host.snapshot())
            self.boot(base.VGPU, host=name)
        self.assert_agreed()

    def test_other_host_is_tried(self):
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'gvtg')
        self.simulated['host1'].fail(_CREATE, errno.ENOSPC, times=99)
        for _ in range(2):
            server = self.boot(base.VGPU)
            self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
        self.assert_agreed()

    def test_second_device_that_fails_takes_the_first_with_it(self):
        host = self.start_gpu_host('host1', 't4')
        for card in ('5e', 'af'):
            host.unplug(f'0000:{card}:00.0')
        self.run_periodic()
        before = host.snapshot()
        spec = {
            'resources1:CUSTOM_VGPU_NVIDIA_T4_8Q': '1',
            'resources2:CUSTOM_VGPU_NVIDIA_T4_4Q': '1',
            'group_policy': 'isolate',
        }
        # The cards are made ready in order of their addresses.
        host.fail('*/0000:d8:00.0/*/*/create', errno.EIO)
        self.boot_refused(spec)
        self.assertIn('Created vGPU', self.log())
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())
        self.assertEqual(2, len(self.claims(self.boot(spec))))
        self.assert_agreed()

    def test_reason_stands_in_one_sentence_of_the_log(self):
        self.start_gpu_host('host1', 'gvtg')
        self.simulated['host1'].fail(_CREATE, errno.ENOSPC)
        self.boot_refused(base.VGPU)
        (line,) = (
            line for line in self.log().splitlines() if 'Refused on' in line
        )
        for part in ('host1', '0000:00:02.0', 'No space left on device'):
            self.assertIn(part, line)


class SickCardTest(base.GpuTestCase):
    """One card of four fails while it has a guest."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')
        self.server = self.boot(base.VGPU)
        (name,) = self.gpu_allocations(self.server)
        self.card = name.rpartition('_')[2]

    def assert_out_of_use(self, trait):
        """The card has its claim and its trait, and nothing to give."""
        provider = self.gpu_providers('host1')[self.card]
        self.assertIn(trait, provider['traits'])
        self.assertEqual(1, provider['usages']['VGPU'])
        for rc, inventory in provider['inventories'].items():
            room = inventory['total'] - inventory['reserved']
            self.assertEqual(provider['usages'].get(rc, 0), room, rc)

    def assert_others_work(self):
        """The other cards give what they have."""
        server = self.boot(base.PGPU)
        (name,) = self.gpu_allocations(server)
        self.assertFalse(name.endswith(self.card))
        self._delete_server(server)

    def test_card_whose_files_are_nonsense(self):
        for name, text in (('resource', '?'), ('class', '0xffffff\n')):
            self.host.break_file(self.card, name, text)
            self.run_periodic()
            self.assert_out_of_use('CUSTOM_GPU_QUARANTINED')
            self.assert_others_work()
        self.restart_compute_service('host1')
        self.assert_out_of_use('CUSTOM_GPU_QUARANTINED')
        self.assert_others_work()
        self._delete_server(self.server)
        self.assertEqual(0, self.totals('host1', 'VGPU')[self.card])

    def test_card_that_is_gone_and_comes_back(self):
        self.host.unplug(self.card)
        self.run_periodic()
        self.assert_out_of_use('CUSTOM_GPU_MISSING')
        self.assert_others_work()
        self.restart_compute_service('host1')
        self.assert_out_of_use('CUSTOM_GPU_MISSING')
        self.assert_others_work()
        self._delete_server(self.server)
        self.host.plug(self.card)
        for _ in range(2):
            self.run_periodic()
        self.assert_agreed()
        self.assertEqual(2, self.totals('host1', 'VGPU')[self.card])

    def test_update_that_fails_as_a_whole(self):
        with fixtures.MockPatchObject(
            gpus.Gpus, 'report', side_effect=RuntimeError('a bug of ours')
        ):
            self.run_periodic()
            self.assertIn('could not be reported', self.log())
            self.boot_refused(base.VGPU)
            self._reboot_server(self.server, hard=True)
            self.assertEqual(1, len(self.hostdevs('host1', self.server)))
        self.run_periodic()
        self.assert_agreed()
        with fixtures.MockPatchObject(
            gpus.Gpus, 'report', side_effect=RuntimeError('a bug of ours')
        ):
            self._delete_server(self.server)
        self.run_periodic()
        self.assert_agreed()


class LeftoverTest(base.GpuTestCase):
    """What a crash left is taken back, and nothing else."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')

    def make(self, mdev):
        """Make a vGPU past Nova's back."""
        type_id = next(
            path.name
            for path in (self.parent / 'mdev_supported_types').iterdir()
            if (path / 'name').read_text() == 'GRID T4-8Q\n'
        )
        self.host.write(
            f'/sys/bus/pci/devices/{_CARD}/mdev_supported_types/{type_id}'
            '/create',
            str(mdev),
        )

    @property
    def parent(self):
        return self.host.root / f'sys/bus/pci/devices/{_CARD}'

    def ours(self, index, instance):
        """The UUID that we would give to a vGPU of this card."""
        slot = model.Slot(
            'mdev',
            model.PciAddress.parse(_CARD),
            index,
            'nvidia-t4-8q',
        )
        return vgpu.uuid_of(slot, instance)

    def exists(self, mdev):
        return (self.host.root / f'sys/bus/mdev/devices/{mdev}').exists()

    def test_vgpu_that_nobody_claims_is_removed(self):
        leftover = self.ours(0, str(uuid.uuid4()))
        self.make(leftover)
        self.run_periodic()
        self.assertFalse(self.exists(leftover))
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(2, self.totals('host1', 'VGPU')[_CARD])

    def test_vgpu_of_somebody_else_is_left_alone_and_counted(self):
        foreign = uuid.uuid4()
        self.make(foreign)
        for _ in range(2):
            self.run_periodic()
        self.assertTrue(self.exists(foreign))
        self.assertEqual(1, self.totals('host1', 'VGPU')[_CARD])
        self.assertEqual(0, self.totals('host1', 'PGPU')[_CARD])

    def test_vgpu_that_a_process_holds_is_left_until_it_lets_go(self):
        leftover = self.ours(1, str(uuid.uuid4()))
        self.make(leftover)
        self.host.hold(str(leftover))
        self.run_periodic()
        self.assertTrue(self.exists(leftover))
        # Its slot is nobody's, and yet it is not given out.
        self.assertEqual(1, self.totals('host1', 'VGPU')[_CARD])
        self.host.release_hold(str(leftover))
        self.run_periodic()
        self.assertFalse(self.exists(leftover))

    def test_nothing_is_judged_before_the_claims_are_known(self):
        servers = [self.boot(base.VGPU) for _ in range(8)]
        before = self.host.snapshot()
        self.restart_compute_service('host1')
        self.assertEqual(before, self.host.snapshot())
        self.run_periodic()
        self.assertEqual(before, self.host.snapshot())
        self.assertEqual(8, len(servers))
        self.assert_agreed()
