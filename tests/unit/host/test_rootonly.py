"""Root reads and writes what stands on its list, and nothing else."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs

_OPTIMIZED = """
from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import rootonly
card = model.PciAddress.parse('0000:41:00.0')
print(rootonly.read(files.OnDisk(), card, '../../../../../etc/passwd'))
"""


class ListTest(unittest.TestCase):
    card = model.PciAddress.parse('0000:41:00.0')

    def test_other_files_and_numbers_are_refused(self):
        for name in ('reset_gpu', '../x', '/etc/passwd', ''):
            with self.assertRaises(ValueError):
                rootonly.read(files.OnDisk(), self.card, name)
        for number in (-1, '1\n0', 1.5):
            with self.assertRaises(ValueError):
                rootonly.set_vgpu_type('/', self.card, number)
            for place in ((None, number), (number, 0)):
                with self.assertRaises(ValueError):
                    rootonly.set_vgpu_place('/', self.card, *place)

    def test_host_that_is_only_looked_at_is_not_changed(self):
        looked_at = rootonly.OnlyLookedAt()
        for name, arguments in (
            ('set_numvfs', (1,)),
            ('set_nvidia_vfs', (True,)),
            ('set_mig', (True,)),
            ('make_gpu_instances', (['9'],)),
            ('remove_gpu_instances', ()),
            ('set_mixed_sizes', (None, True)),
            ('set_vf_memory', (1, 1)),
            ('set_memory_mode', ('NPS1',)),
            ('set_partition', ('SPX',)),
        ):
            with self.assertRaises(PermissionError, msg=name):
                getattr(looked_at, name)(str(self.card), *arguments)

    def test_host_that_is_only_looked_at_is_not_reset(self):
        looked_at = rootonly.OnlyLookedAt()
        for ask, argument in (
            (looked_at.config_space, str(self.card)),
            (looked_at.reset_function, str(self.card)),
            (looked_at.reset_bus, [str(self.card)]),
        ):
            with self.assertRaises(PermissionError):
                ask(argument)

    def test_reset_is_one_write_and_reading_ends_with_the_space(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            folder = root / f'sys/bus/pci/devices/{self.card}'
            folder.mkdir(parents=True)
            with self.assertRaises(FileNotFoundError):
                rootonly.reset_function(root, self.card)
            self.assertEqual([], list(folder.iterdir()))
            (folder / 'reset').touch()
            rootonly.reset_function(root, self.card)
            self.assertEqual('1', (folder / 'reset').read_text())
            (folder / 'config').write_bytes(bytes(5000))
            found = rootonly.config_space(files.OnDisk(root), self.card)
            self.assertEqual(4096, len(found))

    def test_optimized_interpreter_refuses_them_too(self):
        done = subprocess.run(
            (sys.executable, '-O', '-c', _OPTIMIZED),
            capture_output=True,
            text=True,
        )
        self.assertEqual('', done.stdout)
        self.assertIn('ValueError', done.stderr)

    def test_nothing_else_of_sysfs_is_read(self):
        tree = sysfs.Sysfs('/')
        for look, name in (
            (tree.read, 'reset_gpu'),
            (tree.has, 'reset_gpu'),
            (tree.names, '..'),
            (tree.link, 'subsystem'),
        ):
            with self.assertRaises(ValueError):
                look(self.card, name)
