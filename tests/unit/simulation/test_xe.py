"""Intel's xe with SR-IOV."""

import errno

from tests.unit.simulation import base

MIB = 1 << 20
PF = '0000:17:00.0'
VF_1 = '0000:17:00.1'
XE = f'{base.PCI}/drivers/xe'
DEBUG = f'/sys/kernel/debug/dri/{PF}'


class XeTestCase(base.TestCase):
    def admin(self, name):
        return self.device(PF, f'sriov_admin/{name}')

    def enable(self, count):
        self.host.write(self.device(PF, 'sriov_numvfs'), str(count))

    def number(self, path):
        return int(self.read(path))

    def assert_same_with_its_driver_again(self, count):
        before = self.host.snapshot()
        self.host.write(f'{XE}/unbind', PF)
        self.assertNotIn('sriov_admin', self.names(self.device(PF)))
        self.assertNotIn('debug', self.names('/sys/kernel'))
        self.host.write(f'{XE}/bind', PF)
        self.enable(count)
        self.assertEqual(before, self.host.snapshot())
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())


class AdminTest(XeTestCase):
    """Linux 7.0, with the folder ``sriov_admin``."""

    def setUp(self):
        super().setUp()
        self.start('b60')

    def quota(self, number):
        return self.admin(f'vf{number}/profile/vram_quota')

    def write(self, name, text):
        self.host.write(self.admin(name), str(text))

    def write_debug(self, name, text):
        self.host.write(f'{DEBUG}/sriov/{name}', str(text))

    def test_the_tree_is_as_the_driver_makes_it(self):
        functions = ['.bulk_profile', 'pf', *(f'vf{n}' for n in range(1, 8))]
        self.assertEqual(functions, self.names(self.admin('')))
        times = ['exec_quantum_ms', 'preempt_timeout_us', 'sched_priority']
        self.assertEqual(
            [*times, 'vram_quota'], self.names(self.admin('.bulk_profile'))
        )
        self.assertEqual(['device', 'profile'], self.names(self.admin('pf')))
        self.assertEqual(times, self.names(self.admin('pf/profile')))
        self.assertEqual(
            ['device', 'profile', 'stop'], self.names(self.admin('vf4'))
        )
        self.assertEqual(
            [*times, 'vram_quota'], self.names(self.admin('vf4/profile'))
        )
        self.assertEqual(['profile', 'stop'], self.names(self.admin('vf5')))

    def test_vfs_are_counted_from_one(self):
        for function, address in (('pf', PF), ('vf1', VF_1)):
            device = self.path(self.admin(f'{function}/device'))
            self.assertEqual(address, device.resolve().name)

    def test_memory_is_shared_in_powers_of_two(self):
        for count, size in ((4, 4096), (2, 4096), (1, 8192), (7, 2048)):
            self.enable(0)
            self.assertEqual(0, self.number(self.quota(1)))
            self.enable(count)
            for number in range(1, 1 + count):
                self.assertEqual(size * MIB, self.number(self.quota(number)))

    def test_one_quota_before_is_enough_to_share_nothing(self):
        self.enable(0)
        self.write('vf2/profile/vram_quota', 3 * MIB)
        self.enable(4)
        sizes = [self.number(self.quota(n)) for n in (1, 2, 3)]
        self.assertEqual([0, 4 * MIB, 0], sizes)
        self.enable(0)
        self.assertEqual(0, self.number(self.quota(2)))

    def test_the_quota_of_a_vf_beyond_does_not_matter(self):
        self.enable(0)
        self.write('vf7/profile/vram_quota', 2 * MIB)
        self.enable(2)
        self.assertEqual(4096 * MIB, self.number(self.quota(1)))

    def test_quotas_change_while_vfs_are_enabled_and_idle(self):
        self.write('vf1/profile/vram_quota', 5000 * MIB)
        self.assertEqual(5000 * MIB, self.number(self.quota(1)))
        self.host.hold(VF_1)
        self.assert_refused(
            errno.EIO, self.write, 'vf1/profile/vram_quota', MIB
        )
        self.assert_refused(
            errno.EIO, self.write, '.bulk_profile/vram_quota', MIB
        )
        self.write('vf1/profile/exec_quantum_ms', 20)

    def test_all_vfs_get_a_quota_at_once(self):
        self.write('.bulk_profile/vram_quota', 2048 * MIB)
        for number in range(1, 8):
            self.assertEqual(2048 * MIB, self.number(self.quota(number)))

    def test_more_than_is_free_is_refused(self):
        for name in ('vf1/profile/vram_quota', '.bulk_profile/vram_quota'):
            self.assert_refused(errno.ENOSPC, self.write, name, 20_000 * MIB)

    def test_times_are_for_one_or_for_all(self):
        self.write('.bulk_profile/exec_quantum_ms', '20')
        self.write('pf/profile/exec_quantum_ms', '10')
        for function, value in (('pf', 10), ('vf1', 20), ('vf7', 20)):
            path = self.admin(f'{function}/profile/exec_quantum_ms')
            self.assertEqual(value, self.number(path))
        self.enable(0)
        path = self.admin('vf1/profile/exec_quantum_ms')
        self.assertEqual(0, self.number(path))

    def test_priority_is_for_the_pf_or_for_all(self):
        pf = self.admin('pf/profile/sched_priority')
        vf = self.admin('vf1/profile/sched_priority')
        self.write('pf/profile/sched_priority', 'high\n')
        self.assertEqual('low normal [high]\n', self.read(pf))
        self.assertEqual('[low] normal\n', self.read(vf))
        self.write('.bulk_profile/sched_priority', 'normal')
        self.assertEqual('low [normal] high\n', self.read(pf))
        self.assertEqual('low [normal]\n', self.read(vf))
        self.assert_refused(
            errno.EACCES, self.write, 'vf1/profile/sched_priority', 'low'
        )
        for name in ('.bulk_profile', 'pf/profile'):
            self.assert_refused(
                errno.EINVAL, self.write, f'{name}/sched_priority', 'highest'
            )
        self.assert_refused(
            errno.EINVAL, self.write, '.bulk_profile/sched_priority', 'high'
        )

    def test_what_cannot_be_parsed_is_refused(self):
        for name in ('vram_quota', 'exec_quantum_ms'):
            self.assert_refused(
                errno.EINVAL, self.write, f'vf1/profile/{name}', '2g'
            )
        self.assert_refused(
            errno.ERANGE, self.write, 'pf/profile/exec_quantum_ms', 1 << 32
        )
        self.assert_refused(errno.EINVAL, self.write, 'vf1/stop', 'please')
        self.write('vf1/stop', '1')

    def test_debugfs_shows_the_same(self):
        path = f'{DEBUG}/sriov/vf1/tile0/vram_quota'
        self.assertEqual(4096 * MIB, self.number(path))
        self.assertEqual(0o600, self.path(path).stat().st_mode & 0o777)
        self.assertNotIn('gt0', self.names(DEBUG))

    def test_quotas_of_debugfs_stay_until_they_are_given_back(self):
        self.enable(0)
        self.write_debug('vf1/tile0/vram_quota', 1024 * MIB)
        self.enable(2)
        self.assertEqual(0, self.number(self.quota(2)))
        self.assert_refused(
            errno.EBUSY, self.write_debug, 'restore_auto_provisioning', '1'
        )
        self.enable(0)
        self.assertEqual(1024 * MIB, self.number(self.quota(1)))
        self.write_debug('restore_auto_provisioning', 'y')
        self.assertEqual(0, self.number(self.quota(1)))
        self.enable(2)
        self.assertEqual(4096 * MIB, self.number(self.quota(2)))

    def test_what_the_pf_spares_is_not_shared(self):
        self.assert_refused(
            errno.EINVAL, self.write_debug, 'pf/tile0/vram_spare', MIB
        )
        self.write_debug('pf/tile0/vram_spare', 256 * MIB)
        path = f'{DEBUG}/sriov/pf/tile0/vram_spare'
        self.assertEqual(256 * MIB, self.number(path))

    def test_driver_and_reboot_bring_the_same_back(self):
        self.assert_same_with_its_driver_again(4)


class DebugfsTest(XeTestCase):
    """Linux 6.17, with debugfs alone."""

    def setUp(self):
        super().setUp()
        self.start('b50')

    def quota(self, number):
        return f'{DEBUG}/gt0/vf{number}/lmem_quota'

    def test_there_is_no_other_place(self):
        self.assertNotIn('sriov_admin', self.names(self.device(PF)))
        functions = ['pf', *(f'vf{n}' for n in range(1, 9))]
        self.assertEqual(functions, self.names(f'{DEBUG}/gt0'))
        status = self.path(self.quota(1)).stat()
        self.assertEqual(0o600, status.st_mode & 0o777)

    def test_all_memory_is_shared(self):
        self.assertEqual(7048 * MIB, self.number(self.quota(2)))
        self.assertEqual(0, self.number(self.quota(3)))

    def test_a_written_quota_goes_with_the_vfs(self):
        self.enable(0)
        self.host.write(self.quota(1), str(1024 * MIB))
        self.enable(2)
        self.assertEqual(1024 * MIB, self.number(self.quota(1)))
        self.assertEqual(0, self.number(self.quota(2)))
        self.enable(0)
        self.assertEqual(0, self.number(self.quota(1)))
        self.enable(1)
        self.assertEqual(14_096 * MIB, self.number(self.quota(1)))

    def test_driver_and_reboot_bring_the_same_back(self):
        self.assert_same_with_its_driver_again(2)
