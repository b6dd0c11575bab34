"""Intel's i915 with SR-IOV."""

import errno

from tests.unit.simulation import base

MIB = 1 << 20
FLEX = '0000:4d:00.0'
FLEX_IOV = 'drm/card1/prelim_iov'
VF_1 = '0000:4d:00.1'
IGPU = '0000:00:02.0'
IGPU_IOV = 'drm/card0/iov'
I915 = f'{base.PCI}/drivers/i915'


class I915TestCase(base.TestCase):
    pf = FLEX
    iov = FLEX_IOV

    def file(self, name):
        return self.device(self.pf, f'{self.iov}/{name}')

    def text(self, name):
        return self.read(self.file(name)).removesuffix('\n')

    def number(self, name):
        return int(self.text(name))

    def write(self, name, text):
        self.host.write(self.file(name), str(text))

    def enable(self, count):
        self.host.write(self.device(self.pf, 'sriov_numvfs'), str(count))

    def assert_same_with_its_driver_again(self, count):
        before = self.host.snapshot()
        self.host.write(f'{I915}/unbind', self.pf)
        self.assertNotIn('drm', self.names(self.device(self.pf)))
        self.host.write(f'{I915}/bind', self.pf)
        self.enable(count)
        self.assertEqual(before, self.host.snapshot())
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())


class FlexTest(I915TestCase):
    """A card with quotas that a service of the host's has written."""

    def setUp(self):
        super().setUp()
        self.start('flex170')

    def test_the_tree_is_as_the_driver_makes_it(self):
        self.assertEqual('SR-IOV PF', self.text('mode'))
        self.assertEqual('0', self.text('pf/auto_provisioning'))
        functions = ['mode', 'pf', *(f'vf{n}' for n in range(1, 32))]
        self.assertEqual(sorted(functions), self.names(self.file('')))
        self.assertEqual(
            ['auto_provisioning', 'device', 'gt'], self.names(self.file('pf'))
        )
        self.assertEqual(
            ['control', 'device', 'gt', 'id'], self.names(self.file('vf8'))
        )
        self.assertEqual(
            [
                'contexts_quota',
                'doorbells_quota',
                'exec_quantum_ms',
                'ggtt_quota',
                'lmem_quota',
                'preempt_timeout_us',
            ],
            self.names(self.file('vf8/gt')),
        )

    def test_vfs_are_counted_from_one(self):
        self.assertEqual('1', self.text('vf1/id'))
        for function, address in (('pf', FLEX), ('vf1', VF_1)):
            device = self.path(self.file(f'{function}/device'))
            self.assertEqual(address, device.resolve().name)
        self.assertNotIn('device', self.names(self.file('vf9')))

    def test_each_vf_has_what_was_written(self):
        for number in range(1, 9):
            self.assertEqual(
                2000 * MIB, self.number(f'vf{number}/gt/lmem_quota')
            )
        self.assertEqual(0, self.number('vf9/gt/lmem_quota'))
        self.assertEqual(256 * MIB, self.number('pf/gt/available/lmem_free'))
        self.assertEqual(
            128 * MIB, self.number('pf/gt/available/lmem_max_quota')
        )

    def test_what_was_written_stays_without_vfs(self):
        self.enable(0)
        self.assertEqual(2000 * MIB, self.number('vf1/gt/lmem_quota'))
        self.assertNotIn('device', self.names(self.file('vf1')))

    def test_a_quota_is_rounded_up(self):
        self.write('vf1/gt/lmem_quota', 1000 * MIB + 1)
        self.assertEqual(1002 * MIB, self.number('vf1/gt/lmem_quota'))
        self.write('vf1/gt/contexts_quota', 1000)
        self.assertEqual(1024, self.number('vf1/gt/contexts_quota'))

    def test_more_than_is_free_is_refused(self):
        self.assert_refused(
            errno.EDQUOT, self.write, 'vf9/gt/lmem_quota', 130 * MIB
        )
        self.assert_refused(
            errno.EDQUOT, self.write, 'vf1/gt/lmem_quota', 2130 * MIB
        )
        self.assert_refused(
            errno.E2BIG, self.write, 'vf1/gt/ggtt_quota', 1 << 33
        )
        self.write('vf9/gt/lmem_quota', 128 * MIB)

    def test_what_the_pf_spares_is_not_given_away(self):
        self.write('pf/gt/lmem_spare', 200 * MIB)
        self.assertEqual(
            56 * MIB, self.number('pf/gt/available/lmem_max_quota')
        )
        self.assert_refused(
            errno.EDQUOT, self.write, 'vf9/gt/lmem_quota', 128 * MIB
        )
        self.assert_refused(errno.EINVAL, self.write, 'pf/gt/lmem_spare', MIB)

    def test_the_quota_of_a_vf_in_use_cannot_change(self):
        self.host.hold(VF_1)
        self.assert_refused(errno.EIO, self.write, 'vf1/gt/lmem_quota', MIB)
        self.write('vf1/gt/exec_quantum_ms', 20)
        self.host.release_hold(VF_1)
        self.write('vf1/gt/lmem_quota', 2 * MIB)

    def test_what_is_no_number_is_refused(self):
        for name in ('vf1/gt/lmem_quota', 'vf1/gt/exec_quantum_ms'):
            self.assert_refused(errno.EINVAL, self.write, name, '2000m')
        self.assert_refused(
            errno.ERANGE, self.write, 'vf1/gt/contexts_quota', 1 << 16
        )
        self.assert_refused(
            errno.EINVAL, self.write, 'pf/gt/policies/engine_reset', 'maybe'
        )
        self.assert_refused(
            errno.EACCES, self.write, 'pf/gt/available/lmem_free', '0'
        )

    def test_policies_are_kept(self):
        self.write('pf/gt/policies/sched_if_idle', 'on')
        self.write('pf/gt/policies/sample_period_ms', '0x10')
        self.assertEqual('1', self.text('pf/gt/policies/sched_if_idle'))
        self.assertEqual('16', self.text('pf/gt/policies/sample_period_ms'))

    def test_what_a_vf_does_is_not_simulated(self):
        self.assertRaises(
            NotImplementedError, self.write, 'vf1/control', 'stop'
        )

    def test_automatic_quotas_wait_until_no_vf_has_one(self):
        self.enable(0)
        self.assert_refused(
            errno.ESTALE, self.write, 'pf/auto_provisioning', '1'
        )
        for number in range(1, 9):
            for name in ('contexts', 'doorbells', 'ggtt', 'lmem'):
                self.write(f'vf{number}/gt/{name}_quota', '0')
        self.write('pf/auto_provisioning', '1')
        self.enable(4)
        self.assertEqual(4032 * MIB, self.number('vf4/gt/lmem_quota'))

    def test_driver_and_reboot_bring_the_same_back(self):
        self.assert_same_with_its_driver_again(8)


class IgpuTest(I915TestCase):
    """A GPU without memory of its own, whose driver shares by itself."""

    pf = IGPU
    iov = IGPU_IOV

    def setUp(self):
        super().setUp()
        self.start('alder-lake')

    def test_there_is_nothing_of_local_memory(self):
        for folder in ('pf/gt0', 'pf/gt0/available', 'vf1/gt0'):
            names = self.names(self.file(folder))
            self.assertEqual([], [n for n in names if 'lmem' in n])

    def test_the_driver_shares_equally(self):
        self.assertEqual('1', self.text('pf/auto_provisioning'))
        for name, quota in (('contexts', 8192), ('doorbells', 36)):
            for number in range(1, 8):
                self.assertEqual(
                    quota, self.number(f'vf{number}/gt0/{name}_quota')
                )
        self.assertEqual(0, self.number('vf1/gt0/exec_quantum_ms'))

    def test_what_the_driver_gave_it_takes_back(self):
        self.enable(0)
        self.assertEqual(0, self.number('vf1/gt0/ggtt_quota'))
        self.assertEqual('1', self.text('pf/auto_provisioning'))
        self.enable(1)
        self.assertEqual(256, self.number('vf1/gt0/doorbells_quota'))

    def test_a_written_quota_ends_automatic_ones(self):
        self.enable(0)
        self.write('vf1/gt0/doorbells_quota', '20')
        self.assertEqual('0', self.text('pf/auto_provisioning'))
        self.enable(2)
        self.assertEqual(20, self.number('vf1/gt0/doorbells_quota'))
        self.assertEqual(0, self.number('vf2/gt0/doorbells_quota'))
        self.enable(0)
        self.assertEqual(20, self.number('vf1/gt0/doorbells_quota'))

    def test_a_time_of_a_vf_ends_automatic_quotas_and_of_the_pf_does_not(self):
        self.write('pf/gt0/exec_quantum_ms', '20')
        self.assertEqual('1', self.text('pf/auto_provisioning'))
        self.write('vf1/gt0/preempt_timeout_us', '40000')
        self.assertEqual('0', self.text('pf/auto_provisioning'))

    def test_what_was_shared_is_taken_back_though_a_quota_was_written(self):
        self.write('vf1/gt0/doorbells_quota', '20')
        self.enable(0)
        self.assertEqual(0, self.number('vf1/gt0/doorbells_quota'))
        self.assertEqual('0', self.text('pf/auto_provisioning'))

    def test_without_vfs_there_is_no_folder(self):
        self.start('alder-lake-no-vfs')
        card = self.device(IGPU, 'drm/card0')
        self.assertNotIn('iov', self.names(card))
        total = self.device(IGPU, 'sriov_totalvfs')
        self.assertEqual('0\n', self.read(total))
        self.assert_refused(errno.ERANGE, self.enable, 1)

    def test_driver_and_reboot_bring_the_same_back(self):
        self.assert_same_with_its_driver_again(7)
