"""What a link leads to out of a device's folder is not read or written."""

import errno
import pathlib
import shutil

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import files
from nova_gpuvirt.host import own_folder
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.host import unbind_lock
from nova_gpuvirt.simulation import hosts

_T4 = model.PciAddress.parse('0000:3b:00.0')
_DEVICES = 'sys/bus/pci/devices'


class HostTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # A link above all of it is whoever named the folder's to follow.
        (folder / 'host').mkdir()
        (folder / 'named').symlink_to('host')
        self.root = folder / 'named'
        self.secret = folder / 'secret'
        self.secret.write_text('0x10de\n')

    def start(self, name):
        hosts.simulated(name, self.root)
        self.devices = self.root / _DEVICES
        self.files = files.OnDisk(self.root)

    def replace(self, path, target):
        path = self.root / path
        path.rename(path.with_name('before'))
        path.symlink_to(target)

    def assert_refused(self, call, *arguments):
        error = self.assertRaises(OSError, call, *arguments)
        self.assertEqual(errno.ELOOP, error.errno, error)


class ReadingTest(HostTestCase):
    def test_every_file_of_a_simulated_host_is_its_devices_own(self):
        for name in ('t4', 'a100-mig', 'flex170', 'mi300x-hive', 'gvtg'):
            with self.subTest(name):
                self.root = self.secret.with_name(name)
                self.start(name)
                for device in self.files.names(_DEVICES):
                    for file in self.files.names(f'{_DEVICES}/{device}'):
                        path = f'{_DEVICES}/{device}/{file}'
                        if (self.root / path).is_file():
                            self.files.read(path)

    def test_file_that_is_a_link_is_not_read(self):
        self.start('t4')
        path = f'{_DEVICES}/{_T4}/vendor'
        other = next(n for n in self.files.names(_DEVICES) if n != str(_T4))
        self.assertEqual(b'0x10de\n', self.files.read(path))
        (self.root / path).unlink()
        for target in (
            self.secret,
            '../../../../secret',
            f'../{other}/vendor',
            self.root / _DEVICES / other / 'vendor',
        ):
            (self.root / path).symlink_to(target)
            self.assertRaises(OSError, self.files.read, path)
            self.assertRaises(
                exception.SysfsError,
                *(sysfs.Sysfs(self.root).read, _T4, 'vendor'),
            )
            (self.root / path).unlink()
        (self.root / path).symlink_to(self.secret)
        self.assert_refused(self.files.read, path)

    def test_folder_that_is_a_link_is_not_listed_nor_read_through(self):
        self.start('gvtg')
        card = '0000:00:02.0'
        types = f'{_DEVICES}/{card}/mdev_supported_types'
        kind = self.files.names(types)[0]
        self.files.read(f'{types}/{kind}/description')
        outside = self.secret.with_name('types')
        (self.root / types).rename(outside)
        (self.root / types).symlink_to(outside)
        self.assert_refused(self.files.names, types)
        self.assert_refused(self.files.read, f'{types}/{kind}/description')

    def test_link_of_a_device_that_leads_elsewhere_is_not_followed(self):
        self.start('t4')
        (self.root / 'elsewhere').mkdir()
        for target in (self.root / 'elsewhere', self.secret.parent):
            link = self.root / _DEVICES / str(_T4)
            before = link.readlink()
            link.unlink()
            link.symlink_to(target)
            self.assert_refused(self.files.names, f'{_DEVICES}/{_T4}')
            link.unlink()
            link.symlink_to(before)

    def test_one_such_link_makes_one_card_unreadable(self):
        self.start('t4')
        machine = sysfs.Sysfs(self.root)
        names = discovery.pciids.PciIds([self.root])
        before = discovery.discover(machine, names)
        self.replace(f'{_DEVICES}/{_T4}/device', self.secret)
        host = discovery.discover(machine, names)
        self.assertEqual(len(before.gpus), len(host.gpus))
        self.assertEqual(
            [str(_T4)], [str(g.address) for g in host.gpus if g.refusal]
        )

    def test_hive_of_amdgpu_is_with_its_first_card(self):
        self.start('mi300x-hive')
        found = sorted(self.root.glob(f'{_DEVICES}/*/xgmi_hive_info'))
        first, second = found[:2]
        (second / 'xgmi_hive_id').unlink()
        second.rmdir()
        second.symlink_to(first.resolve())
        card = second.parent.name
        path = f'{_DEVICES}/{card}/xgmi_hive_info/xgmi_hive_id'
        self.assertTrue(self.files.read(path))
        second.unlink()
        second.symlink_to(self.secret.parent)
        (self.secret.parent / 'xgmi_hive_id').write_text('1')
        self.assert_refused(self.files.read, path)

    def test_other_files_may_be_behind_links(self):
        self.start('t4')
        (self.root / 'etc').mkdir(exist_ok=True)
        (self.root / 'etc/x').symlink_to(self.secret)
        self.assertEqual(b'0x10de\n', self.files.read('etc/x'))

    def test_device_that_goes_away_is_no_link(self):
        self.start('t4')
        path = f'{_DEVICES}/{_T4}/vendor'
        real = (self.root / path).resolve()
        with real.open() as file:
            real.unlink()
            error = self.assertRaises(
                OSError,
                own_folder.check,
                *(str(self.root.resolve()), path, file.fileno()),
            )
        self.assertEqual(errno.ENODEV, error.errno)


class WritingTest(HostTestCase):
    """Root writes to a device's own files, and through no link."""

    def write_all(self):
        """Write each file that root writes, of one address."""
        vf = model.PciAddress.parse('0000:41:00.4')
        yield (
            f'{_DEVICES}/{vf}/nvidia',
            'current_vgpu_type',
            (
                rootonly.set_vgpu_type,
                (self.root, vf, 558),
            ),
        )
        yield (
            f'{_DEVICES}/{vf}/nvidia',
            'placement_id',
            (
                rootonly.set_vgpu_place,
                (self.root, vf, None, 4),
            ),
        )
        yield (
            f'{_DEVICES}/{vf}',
            'reset',
            (
                rootonly.reset_function,
                (self.root, vf),
            ),
        )
        yield (
            f'proc/driver/nvidia/gpus/{vf}',
            'unbindLock',
            (
                unbind_lock.hold,
                (self.root, vf, True),
            ),
        )
        path = f'sys/kernel/debug/dri/{vf}/gt0/vf1/lmem_quota'
        yield (
            path.rpartition('/')[0],
            'lmem_quota',
            (
                files.write,
                (self.root, path, '1\n'),
            ),
        )

    def test_file_that_is_a_link_is_not_written(self):
        for folder, name, (call, arguments) in self.write_all():
            with self.subTest(name):
                self.make(folder)
                (self.root / folder / name).symlink_to(self.secret)
                self.assert_refused(call, *arguments)
                self.assertEqual('0x10de\n', self.secret.read_text())

    def test_folder_that_is_a_link_is_not_written_through(self):
        for folder, name, (call, arguments) in self.write_all():
            with self.subTest(name):
                self.make(folder)
                outside = self.secret.parent / 'outside'
                outside.mkdir(exist_ok=True)
                (outside / name).write_text('mine')
                place = self.root / folder
                shutil.rmtree(place.resolve())
                place.unlink(missing_ok=True)
                place.symlink_to(outside)
                self.assert_refused(call, *arguments)
                self.assertEqual('mine', (outside / name).read_text())
                place.unlink()

    def test_own_file_is_written(self):
        for folder, name, (call, arguments) in self.write_all():
            with self.subTest(name):
                self.make(folder)
                (self.root / folder / name).write_text('')
                call(*arguments)
                self.assertTrue((self.root / folder / name).read_text())

    def make(self, folder):
        """Make a device's folder, behind its link as the kernel has it."""
        parts = folder.split('/')
        if folder.startswith(_DEVICES):
            address = parts[4]
            real = self.root / 'sys/devices/pci0000:40' / address
            real.mkdir(parents=True, exist_ok=True)
            link = self.root / _DEVICES / address
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(f'../../../devices/pci0000:40/{address}')
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        for file in path.iterdir():
            if not file.is_dir():
                file.unlink()
