"""What a simulated host does beside reacting to writes."""

import concurrent.futures
import errno
import pathlib
import uuid

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from tests.unit.simulation import base

CARD = '0000:3b:00.0'
CREATE = 'mdev_supported_types/nvidia-231/create'


class SimulatedHostTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')

    # Writing

    def test_files_are_written_through_any_of_their_names(self):
        path = self.path(self.device(CARD)).resolve()
        real = f'/{path.relative_to(self.host.root.resolve())}/{CREATE}'
        self.host.write(real, base.UUID_1)
        self.host.write(f'/sys/class/mdev_bus/{CARD}/{CREATE}', base.UUID_2)
        self.assertEqual([base.UUID_1, base.UUID_2], self.names(base.MDEVS))

    def test_read_only_files_are_refused_to_root_too(self):
        for path in (
            self.device(CARD, 'class'),
            self.device(CARD, 'sriov_totalvfs'),
            '/usr/share/misc/pci.ids',
        ):
            self.assert_refused(errno.EACCES, self.host.write, path, '1')

    def test_what_is_not_there_is_not_written(self):
        for path in (
            self.device(CARD, 'no_such_file'),
            self.device('0000:99:00.0', 'driver_override'),
            '/sys/../../etc/passwd',
        ):
            self.assert_refused(errno.ENOENT, self.host.write, path, '1')
        path = self.device(CARD, 'class/x')
        self.assert_refused(errno.ENOTDIR, self.host.write, path, '1')

    def test_directories_are_not_written(self):
        path = self.device(CARD)
        self.assert_refused(errno.EISDIR, self.host.write, path, '1')

    def test_the_error_names_the_path_of_the_host(self):
        path = self.device(CARD, 'class')
        error = self.assertRaises(OSError, self.host.write, path, '1')
        self.assertEqual(path, error.filename)

    def test_an_effect_that_is_not_simulated_is_not_pretended(self):
        path = self.device(CARD, 'd3cold_allowed')
        self.assertRaises(NotImplementedError, self.host.write, path, '0')

    def test_writing_nothing_does_nothing(self):
        before = self.host.snapshot()
        self.host.write(self.device(CARD, CREATE), '')
        self.assertEqual(before, self.host.snapshot())

    # Holding

    def test_a_hold_lasts_until_it_is_released(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)
        self.host.hold(CARD)
        self.assertTrue(self.host.held(base.UUID_1))
        self.host.release_hold(base.UUID_1)
        self.assertFalse(self.host.held(base.UUID_1))
        self.assertTrue(self.host.held(CARD))

    def test_only_what_is_there_is_held(self):
        self.assertRaises(LookupError, self.host.hold, base.UUID_1)
        self.assertFalse(self.host.held(base.UUID_1))
        self.host.release_hold(base.UUID_1)

    # Rebooting

    def test_reboot_forgets_vgpus(self):
        before = self.host.snapshot()
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())
        self.assertFalse(self.host.held(base.UUID_1))
        self.create(CARD, 'nvidia-230', base.UUID_1)

    def test_reboot_forgets_bindings_and_ids(self):
        before = self.host.snapshot()
        vfio = f'{base.PCI}/drivers/vfio-pci'
        self.host.write(self.device(CARD, 'driver_override'), 'vfio-pci')
        self.host.write(self.device(CARD, 'driver/unbind'), CARD)
        self.host.write(f'{base.PCI}/drivers_probe', CARD)
        self.host.write(f'{vfio}/new_id', '10de 1eb8')
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())
        self.host.write(f'{vfio}/new_id', '10de 1eb8')

    # Failing

    def test_a_failure_comes_before_any_effect(self):
        self.host.fail('*/nvidia-231/create', errno.EIO)
        self.assert_refused(
            errno.EIO, self.create, CARD, 'nvidia-231', base.UUID_1
        )
        self.create(CARD, 'nvidia-231', base.UUID_1)

    def test_a_failure_lasts_as_often_as_asked(self):
        self.host.fail(f'{base.PCI}/drivers_probe', errno.ENOMEM, times=2)
        write = (self.host.write, f'{base.PCI}/drivers_probe', CARD)
        self.assert_refused(errno.ENOMEM, *write)
        self.assert_refused(errno.ENOMEM, *write)
        self.host.write(*write[1:])

    def test_a_write_that_is_ignored_succeeds_without_any_effect(self):
        path = self.device(CARD, 'driver_override')
        self.host.ignore('*/driver_override', times=2)
        before = self.host.snapshot()
        for _ in range(2):
            self.host.write(path, 'vfio-pci')
            self.assertEqual(before, self.host.snapshot())
        self.host.write(path, 'vfio-pci')
        self.assertEqual('vfio-pci\n', self.read(path))

    def test_a_failure_finds_a_file_by_its_real_path(self):
        self.host.fail(f'/sys/devices/*/{CARD}/driver_override', errno.EBUSY)
        path = self.device(CARD, 'driver_override')
        self.assert_refused(errno.EBUSY, self.host.write, path, 'x')

    # Unplugging

    def test_an_unplugged_card_is_gone_from_every_side(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)
        self.host.unplug(CARD)
        for path, text in self.host.snapshot().items():
            self.assertNotIn(CARD, path)
            self.assertNotIn(CARD, text)
        self.assertEqual([], self.names(base.MDEVS))
        self.assertFalse(self.host.held(base.UUID_1))
        self.assertRaises(LookupError, self.host.unplug, CARD)

    def test_an_unplugged_card_stays_away_over_a_reboot(self):
        self.host.unplug(CARD)
        self.host.reboot()
        self.assertNotIn(CARD, self.names(f'{base.PCI}/devices'))

    def test_a_card_that_is_plugged_in_again_is_as_before(self):
        before = self.host.snapshot()
        self.host.unplug(CARD)
        self.host.plug(CARD)
        self.assertEqual(before, self.host.snapshot())
        self.assertRaises(LookupError, self.host.plug, CARD)

    def test_a_bridge_goes_and_comes_with_what_is_behind_it(self):
        before = self.host.snapshot()
        self.host.unplug('0000:3a:00.0')
        self.assertNotIn(CARD, self.names(f'{base.PCI}/devices'))
        self.host.plug('0000:3a:00.0')
        self.assertEqual(before, self.host.snapshot())

    def test_nothing_is_plugged_behind_a_missing_bridge(self):
        self.host.unplug('0000:3a:00.0')
        self.assertRaises(ValueError, self.host.plug, CARD)
        self.host.plug('0000:3a:00.0')
        self.assertIn(CARD, self.names(f'{base.PCI}/devices'))

    # Breaking

    def test_a_broken_file_says_what_it_is_told_to(self):
        self.host.break_file(CARD, 'class', '0xffffffff\n')
        path = self.device(CARD, 'class')
        self.assertEqual('0xffffffff\n', self.read(path))
        self.host.reboot()
        self.assertEqual('0x030200\n', self.read(path))

    def test_a_broken_file_may_hold_any_bytes(self):
        self.host.break_file(CARD, 'vendor', b'\xff\xff')
        path = self.path(self.device(CARD, 'vendor'))
        self.assertEqual(b'\xff\xff', path.read_bytes())
        self.assertIn('\udcff\udcff', self.host.snapshot().values())

    def test_a_broken_file_may_be_unreadable(self):
        self.host.break_file(CARD, 'resource', None)
        path = self.path(self.device(CARD, 'resource'))
        self.assertRaises(OSError, path.read_text)

    def test_the_kernel_does_not_mend_a_broken_file(self):
        path = 'mdev_supported_types/nvidia-230/available_instances'
        self.host.break_file(CARD, path, 'many\n')
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.assertEqual('many\n', self.read(self.device(CARD, path)))

    def test_only_what_is_there_is_broken(self):
        args = (CARD, 'boot_vga', '1')
        self.assertRaises(LookupError, self.host.break_file, *args)
        args = ('0000:99:00.0', 'class', '1')
        self.assertRaises(LookupError, self.host.break_file, *args)

    # Working in threads

    def test_concurrent_creates_never_exceed_the_card(self):
        def create(_):
            try:
                self.create(CARD, 'nvidia-232', str(uuid.uuid4()))
            except OSError as error:
                return error.errno
            return 0

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = sorted(pool.map(create, range(24)))
        self.assertEqual([0] * 4 + [errno.EIO] * 20, results)
        self.assertEqual(4, len(self.names(base.MDEVS)))


class RootTest(base.TestCase):
    def test_a_folder_with_a_sys_is_left_alone(self):
        root = self.root()
        (root / 'sys').mkdir()
        self.assertRaises(FileExistsError, hosts.simulated, 't4', root)
        self.assertRaises(
            FileExistsError, hosts.simulated, 't4', pathlib.Path('/')
        )

    def test_a_folder_that_is_not_there_is_made(self):
        root = self.root()
        host = hosts.simulated('none', root / 'a' / 'host')
        self.assertEqual(
            ['etc', 'proc', 'sys', 'usr'],
            sorted(p.name for p in host.root.iterdir()),
        )


class DescriptionTest(base.TestCase):
    def test_a_function_has_a_proper_address_of_its_own(self):
        function = description.Function(
            '0000:00:00.0', 0x8086, 1, (0, 0), 0x060000
        )
        self.assertRaises(ValueError, description.Host, (function, function))
        self.assertRaises(
            ValueError,
            description.Function,
            '00:00.0',
            0x8086,
            1,
            (0, 0),
            0x060000,
        )

    def test_only_a_bridge_has_functions_behind_it(self):
        above = description.Function(
            '0000:00:00.0', 0x8086, 1, (0, 0), 0x060000
        )
        below = description.Function(
            '0000:01:00.0', 0x8086, 1, (0, 0), 0x030000, behind='0000:00:00.0'
        )
        self.assertRaises(ValueError, description.Host, (above, below))

    def test_a_host_may_lie_in_another_pci_domain(self):
        function = description.Function(
            '0001:c8:00.0', 0x1002, 0x740F, (0, 0), 0x038000
        )
        self.start_described(description.Host((function,)))
        self.assertTrue(
            self.path('/sys/devices/pci0001:c8/0001:c8:00.0').is_dir()
        )

    def test_a_host_without_the_mdev_module_has_no_mdev_bus(self):
        self.start_described(description.Host((), mdev=False))
        self.assertFalse(self.path('/sys/bus/mdev').exists())
        self.assertIsInstance(self.host, simulated.SimulatedHost)
