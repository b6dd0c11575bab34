"""AMD's gim, the legacy one and the current one."""

import errno

from tests.unit.simulation import base

S7150 = '0000:3d:00.0'
MI300X = '0000:05:00.0'
VF = '0000:05:02.0'
V710 = '0000:43:00.0'
GIM = f'{base.PCI}/drivers/gim'
PROFILE = 'accelerator_partition_profile'
MODE = 'memory_partition_mode'
FILES = {
    'accelerator_partition_profile': 0o600,
    'accelerator_partition_profile_config': 0o400,
    'memory_partition_config': 0o400,
    'memory_partition_mode': 0o600,
    'self_switch': 0o600,
    'spatial_partition_caps': 0o400,
    'spatial_partition_mode': 0o400,
}


class GimTest(base.TestCase):
    def write(self, name, text, address=MI300X):
        self.host.write(self.device(address, name), text)

    def text(self, name, address=MI300X):
        return self.read(self.device(address, name))

    def test_only_root_may_read_the_files_of_a_pf(self):
        self.start('mi300x')
        for name, mode in FILES.items():
            status = self.path(self.device(MI300X, name)).stat()
            self.assertEqual(mode, status.st_mode & 0o777, name)
            self.assertNotIn(name, self.names(self.device(VF)))

    def test_nobody_may_read_the_file_that_resets_the_card(self):
        self.start('mi300x')
        self.assertRaises(OSError, self.text, 'reset_gpu')

    def test_modes_are_printed_as_the_driver_does(self):
        self.start('mi300x')
        self.assertEqual('CPX\n', self.text('spatial_partition_mode'))
        self.assertEqual('NPS1 NPS4 \n', self.text('memory_partition_config'))
        self.assertEqual(
            'num_xcc=8 num_sdma=16 num_vcn=4 num_jpeg=8\n',
            self.text('spatial_partition_caps'),
        )
        lines = self.text(MODE).splitlines()
        self.assertEqual(
            ['memory_partition_mode: NPS4', 'numa_count: 4'], lines[:2]
        )
        self.assertEqual(
            'NUMA3 type=128 start=0x0000002400000000 end=0x0000002fffffffff',
            lines[5],
        )

    def test_the_profile_in_use_is_the_one_that_the_vfs_go_with(self):
        self.start('mi300x')
        parts = ''.join(['[0 4 ]'] * 8)
        self.assertEqual(
            f'{"0":<20}{"CPX":<20}{"8":<20}{"2":<20}[{parts}]',
            self.text(PROFILE).splitlines()[1],
        )
        lines = self.text(f'{PROFILE}_config').splitlines()
        self.assertEqual('profiles:', lines[-3])
        self.assertEqual(
            f'{"0":<20}{"CPX":<20}{"8":<20}{"NPS1 NPS4 ":<20}{"2":<20}'
            f'[{parts}]',
            lines[-1],
        )

    def test_sriov_numvfs_is_not_obeyed(self):
        for name, address in (('mi300x', MI300X), ('s7150x2', S7150)):
            self.start(name)
            self.assert_refused(
                errno.ENOENT, self.write, 'sriov_numvfs', '0', address
            )

    def test_vfs_have_no_driver(self):
        self.start('mi300x')
        self.assertIsNone(self.driver(VF))

    def test_the_memory_mode_brings_its_own_compute_mode(self):
        self.start('mi300x')
        self.write(MODE, 'nps1\n')
        self.assertEqual(
            'memory_partition_mode: NPS1\n'
            'numa_count: 1\n'
            'NUMA0 type=128 start=0x0000000000000000 end=0x0000002fffffffff\n',
            self.text(MODE),
        )
        self.assertEqual('CPX\n', self.text('spatial_partition_mode'))

    def test_nps8_is_taken_for_nps4(self):
        self.start('mi300x')
        before = self.text(MODE)
        self.write(MODE, 'NPS1')
        self.write(MODE, 'NPS8')
        self.assertEqual(before, self.text(MODE))

    def test_a_mode_that_cannot_be_had_is_accepted_without_effect(self):
        self.start('mi300x')
        before = self.host.snapshot()
        self.write(MODE, 'NPS2')
        self.write(PROFILE, '7')
        self.assertEqual(before, self.host.snapshot())

    def test_no_mode_changes_while_a_vf_is_used(self):
        self.start('mi300x')
        before = self.text(MODE)
        self.host.hold(VF)
        self.write(MODE, 'NPS1')
        self.assertEqual(before, self.text(MODE))
        self.host.release_hold(VF)
        self.write(MODE, 'NPS1')
        self.assertNotEqual(before, self.text(MODE))

    def test_what_is_no_mode_is_refused(self):
        self.start('mi300x')
        self.assert_refused(errno.EINVAL, self.write, MODE, 'CPX')
        self.assert_refused(errno.EINVAL, self.write, PROFILE, 'CPX')
        self.assert_refused(errno.EINVAL, self.write, 'self_switch', 'no')
        self.assert_refused(
            errno.EACCES, self.write, 'spatial_partition_mode', 'SPX'
        )

    def test_the_scheduler_is_switched(self):
        self.start('mi300x')
        self.write('self_switch', '0')
        self.assertEqual('0\n', self.text('self_switch'))

    def test_a_card_without_partitions_tells_of_failures(self):
        self.start('v710')
        for name in ('spatial_partition_mode', MODE, PROFILE):
            self.assertRegex(self.text(name, V710), 'failed to get .*\n')
        before = self.host.snapshot()
        self.write(MODE, 'NPS1', V710)
        self.assertEqual(before, self.host.snapshot())

    def test_the_legacy_driver_has_none_of_the_files(self):
        self.start('s7150x2')
        names = self.names(self.device(S7150))
        self.assertEqual([], [n for n in (*FILES, 'reset_gpu') if n in names])
        vf = self.device('0000:3d:02.0', 'vf_load_status')
        self.assertEqual('', self.read(vf))

    def test_the_files_come_and_go_with_the_driver(self):
        self.start('mi300x')
        before = self.host.snapshot()
        files = self.names(self.device(MI300X))
        self.host.write(f'{GIM}/unbind', MI300X)
        self.assertNotIn(MODE, self.names(self.device(MI300X)))
        self.host.write(f'{GIM}/bind', MI300X)
        back = [n for n in files if not n.startswith('virtfn')]
        self.assertEqual(back, self.names(self.device(MI300X)))
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())
