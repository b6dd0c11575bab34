"""Enabling and disabling VFs through sysfs."""

import errno

from tests.unit.simulation import base

PF = '0000:2a:00.0'
VF_0 = '0000:2a:00.1'
VF_1 = '0000:2a:00.2'
GPU = '0000:1b:00.0'


class SriovTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('h100')

    def set_numvfs(self, value, address=PF):
        self.host.write(self.device(address, 'sriov_numvfs'), str(value))

    def vfs(self, address=PF):
        return [
            n
            for n in self.names(self.device(address))
            if n.startswith('virtfn')
        ]

    def test_the_host_starts_with_the_vfs_it_is_set_up_for(self):
        self.assertEqual('2\n', self.read(self.device(PF, 'sriov_numvfs')))
        self.assertEqual(['virtfn0', 'virtfn1'], self.vfs())

    def test_a_vf_is_a_function_linked_with_its_pf(self):
        self.assertEqual(
            self.path(self.device(VF_0)).resolve(),
            self.path(self.device(PF, 'virtfn0')).resolve(),
        )
        physfn = self.path(self.device(VF_1, 'physfn'))
        self.assertEqual('../0000:2a:00.0', str(physfn.readlink()))
        self.assertEqual('0x101e\n', self.read(self.device(VF_1, 'device')))
        self.assertEqual('0\n', self.read(self.device(VF_1, 'numa_node')))
        self.assertNotIn('sriov_totalvfs', self.names(self.device(VF_0)))

    def test_each_vf_has_an_iommu_group_of_its_own(self):
        groups = {
            self.path(self.device(address, 'iommu_group')).readlink().name
            for address in (PF, VF_0, VF_1)
        }
        self.assertEqual(3, len(groups))

    def test_the_bars_of_vfs_are_parts_of_what_the_pf_has(self):
        whole = self.read(self.device(PF, 'resource')).splitlines()[7]
        first = self.read(self.device(VF_0, 'resource')).splitlines()[0]
        second = self.read(self.device(VF_1, 'resource')).splitlines()[0]
        start, end, flags = (int(n, 16) for n in whole.split())
        size = (end - start + 1) // 16
        self.assertEqual(
            [start, start + size - 1, flags],
            [int(n, 16) for n in first.split()],
        )
        self.assertEqual(
            [start + size, start + 2 * size - 1, flags],
            [int(n, 16) for n in second.split()],
        )

    def test_0_removes_the_vfs_with_their_groups(self):
        groups = len(self.names('/sys/kernel/iommu_groups'))
        self.set_numvfs(0)
        self.assertEqual([], self.vfs())
        self.assertNotIn(VF_0, self.names(f'{base.PCI}/devices'))
        self.assertNotIn(VF_0, self.names(f'{base.PCI}/drivers/mlx5_core'))
        self.assertEqual(
            groups - 2, len(self.names('/sys/kernel/iommu_groups'))
        )

    def test_disabling_and_enabling_leaves_nothing_behind(self):
        before = self.host.snapshot()
        self.set_numvfs(0)
        self.set_numvfs('2\n')
        self.assertEqual(before, self.host.snapshot())

    def test_vfs_beyond_the_first_bus_function_have_higher_slots(self):
        self.set_numvfs(0)
        self.set_numvfs(16)
        devices = self.names(f'{base.PCI}/devices')
        self.assertIn('0000:2a:01.0', devices)
        self.assertIn('0000:2a:02.0', devices)

    def test_the_same_number_does_nothing(self):
        before = self.host.snapshot()
        self.set_numvfs(2)
        self.assertEqual(before, self.host.snapshot())

    def test_one_number_to_another_goes_through_0(self):
        self.assert_refused(errno.EBUSY, self.set_numvfs, 4)

    def test_more_than_the_card_has_is_out_of_range(self):
        self.assert_refused(errno.ERANGE, self.set_numvfs, 17)

    def test_what_is_no_number_is_invalid(self):
        for text in ('two', '-1', '2 ', '0x', '65536', '1.5'):
            self.assert_refused(errno.EINVAL, self.set_numvfs, text)

    def test_numbers_may_be_hexadecimal(self):
        self.set_numvfs(0)
        self.set_numvfs('0x3')
        self.assertEqual('3\n', self.read(self.device(PF, 'sriov_numvfs')))

    def test_a_pf_without_driver_has_no_vfs_and_gets_none(self):
        self.host.write(self.device(PF, 'driver/unbind'), PF)
        self.assertEqual([], self.vfs())
        self.assert_refused(errno.ENOENT, self.set_numvfs, 2)

    def test_a_driver_that_does_not_configure_says_so(self):
        self.assert_refused(errno.ENOENT, self.set_numvfs, 1, GPU)

    def test_a_held_vf_stays_until_it_is_closed(self):
        def close():
            self.host.release_hold(VF_1)

        self.host.hold(VF_1)
        self.assert_waits(close, self.set_numvfs, 0)
        self.set_numvfs(2)
        self.host.hold(VF_1)
        unbind = self.device(PF, 'driver/unbind')
        self.assert_waits(close, self.host.write, unbind, PF)
        self.assertIsNone(self.driver(PF))

    def test_without_autoprobe_vfs_come_without_driver(self):
        autoprobe = self.device(PF, 'sriov_drivers_autoprobe')
        self.set_numvfs(0)
        self.host.write(autoprobe, '0\n')
        self.set_numvfs(1)
        self.assertEqual('0\n', self.read(autoprobe))
        self.assertIsNone(self.driver(VF_0))
        bind = f'{base.PCI}/drivers/mlx5_core/bind'
        self.assert_refused(errno.ENODEV, self.host.write, bind, VF_0)
        self.host.write(self.device(VF_0, 'driver_override'), 'vfio-pci')
        self.host.write(f'{base.PCI}/drivers_probe', VF_0)
        self.assertEqual('vfio-pci', self.driver(VF_0))

    def test_autoprobe_is_a_truth_value(self):
        autoprobe = self.device(PF, 'sriov_drivers_autoprobe')
        self.host.write(autoprobe, 'off')
        self.assertEqual('0\n', self.read(autoprobe))
        self.host.write(autoprobe, 'Y\n')
        self.assertEqual('1\n', self.read(autoprobe))
        self.assert_refused(errno.EINVAL, self.host.write, autoprobe, '2')
