"""A host's kernel is read as it prints itself, and nonsense is nothing."""

import os
import pathlib

import fixtures
import testtools

from nova_gpuvirt.host import files
from nova_gpuvirt.host import kernel


class KernelTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.files = files.OnDisk(self.root)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def test_nothing_is_known_of_an_empty_folder(self):
        self.assertIsNone(kernel.release(self.files))
        self.assertIsNone(kernel.physical_bits(self.files))
        self.assertIsNone(kernel.iommu_bits(self.files))
        self.assertIsNone(kernel.parameter(self.files, 'i915', 'max_vfs'))
        self.assertFalse(kernel.driver_is_loaded(self.files, 'vfio-pci'))
        self.assertTrue(kernel.has_driver(self.files, 'vfio-pci'))
        self.assertIsNone(kernel.can_have_driver(self.files, 'vfio-pci'))
        self.assertFalse(kernel.is_at_least(self.files, 0, 0))

    def test_releases_are_compared_by_number(self):
        for text, found in (
            ('6.13.0-1-generic', True),
            ('6.12.9', False),
            ('7.0.0', True),
            ('6.9.1', False),
            ('next', False),
            (f'{"9" * 5000}.1', False),
            (f'6.{"9" * 5000}', True),
        ):
            self.write('proc/sys/kernel/osrelease', f'{text}\n')
            self.assertIs(found, kernel.is_at_least(self.files, 6, 13), text)

    def test_widths(self):
        self.write(
            'proc/cpuinfo',
            'processor\t: 0\n'
            'address sizes\t: 46 bits physical, 48 bits virtual\n',
        )
        self.assertEqual(46, kernel.physical_bits(self.files))
        for unit, register in enumerate(
            ('80d2008c222f0686', 'd2008c40660462', 'nonsense')
        ):
            self.write(
                f'sys/class/iommu/dmar{unit}/intel-iommu/cap', f'{register}\n'
            )
        self.assertEqual(39, kernel.iommu_bits(self.files))

    def test_module_that_is_installed_later_is_found(self):
        self.write('proc/sys/kernel/osrelease', '6.8.0\n')
        modules = self.write('lib/modules/6.8.0/modules.dep', 'a/b.ko.xz: c\n')
        self.write('lib/modules/6.8.0/modules.builtin', 'kernel/x/built.ko\n')
        self.assertTrue(kernel.has_driver(self.files, 'b'))
        self.assertTrue(kernel.has_driver(self.files, 'built'))
        self.assertFalse(kernel.has_driver(self.files, 'vfio-pci'))
        self.assertIs(False, kernel.can_have_driver(self.files, 'vfio-pci'))
        self.assertIs(True, kernel.can_have_driver(self.files, 'built'))
        modules.write_text('kernel/vfio-pci.ko.xz: c\n')
        os.utime(modules, (1, 1))
        self.assertTrue(kernel.has_driver(self.files, 'vfio-pci'))
