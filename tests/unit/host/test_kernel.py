"""A host's kernel is read as it prints itself, and nonsense is nothing."""

import os
import pathlib

import fixtures
import testtools

from nova_gpuvirt.host import kernel


class KernelTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def test_nothing_is_known_of_an_empty_folder(self):
        self.assertIsNone(kernel.release(self.root))
        self.assertIsNone(kernel.physical_bits(self.root))
        self.assertIsNone(kernel.iommu_bits(self.root))
        self.assertIsNone(kernel.parameter(self.root, 'i915', 'max_vfs'))
        self.assertFalse(kernel.driver_is_loaded(self.root, 'vfio-pci'))
        self.assertTrue(kernel.has_driver(self.root, 'vfio-pci'))

    def test_widths(self):
        self.write(
            'proc/cpuinfo',
            'processor\t: 0\n'
            'address sizes\t: 46 bits physical, 48 bits virtual\n',
        )
        self.assertEqual(46, kernel.physical_bits(self.root))
        for unit, register in enumerate(
            ('80d2008c222f0686', 'd2008c40660462', 'nonsense')
        ):
            self.write(
                f'sys/class/iommu/dmar{unit}/intel-iommu/cap', f'{register}\n'
            )
        self.assertEqual(39, kernel.iommu_bits(self.root))

    def test_module_that_is_installed_later_is_found(self):
        self.write('proc/sys/kernel/osrelease', '6.8.0\n')
        modules = self.write('lib/modules/6.8.0/modules.dep', 'a/b.ko.xz: c\n')
        self.write('lib/modules/6.8.0/modules.builtin', 'kernel/x/built.ko\n')
        self.assertTrue(kernel.has_driver(self.root, 'b'))
        self.assertTrue(kernel.has_driver(self.root, 'built'))
        self.assertFalse(kernel.has_driver(self.root, 'vfio-pci'))
        modules.write_text('kernel/vfio-pci.ko.xz: c\n')
        os.utime(modules, (1, 1))
        self.assertTrue(kernel.has_driver(self.root, 'vfio-pci'))
