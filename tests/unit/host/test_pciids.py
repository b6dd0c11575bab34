"""Devices are named by the host's own pci.ids."""

import pathlib
import tempfile
import unittest

from nova_gpuvirt.host import pciids

_TEXT = """\
#\tA comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t740f  Aldebaran/MI200 [Instinct MI210]
\t\t1002 0c34  Instinct MI210
10de  NVIDIA Corporation
\t1eb8  TU104GL [Tesla T4]
\t25b6  GA107GL [A2 / A16]
1af4  Red Hat, Inc.
\t1050  Virtio 1.0 GPU
# List of known device classes
C 00  Unclassified device
\t00  Non-VGA unclassified device
"""


class PciIdsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        path = self.root / 'usr/share/misc/pci.ids'
        path.parent.mkdir(parents=True)
        path.write_text(_TEXT)

    def test_names_are_those_on_the_box(self):
        names = pciids.PciIds([self.root])
        self.assertEqual('Tesla T4', names.device(0x10DE, 0x1EB8))
        self.assertEqual('A2 / A16', names.device(0x10DE, 0x25B6))
        self.assertEqual('Instinct MI210', names.device(0x1002, 0x740F))
        self.assertEqual('Virtio 1.0 GPU', names.device(0x1AF4, 0x1050))

    def test_vendors_are_named_in_short(self):
        names = pciids.PciIds([self.root])
        self.assertEqual('NVIDIA', names.vendor(0x10DE))
        self.assertEqual('AMD', names.vendor(0x1002))
        self.assertEqual('Red Hat', names.vendor(0x1AF4))

    def test_what_has_no_name_has_its_number(self):
        names = pciids.PciIds([self.root])
        self.assertEqual('8086', names.vendor(0x8086))
        self.assertEqual('0000', names.device(0x10DE, 0))
        nameless = pciids.PciIds([self.root / 'nowhere'])
        self.assertEqual('10de', nameless.vendor(0x10DE))

    def test_nonsense_is_passed_over(self):
        path = self.root / 'usr/share/misc/pci.ids'
        path.write_text('zzzz  Nobody\n10de\n\t\n' + _TEXT)
        names = pciids.PciIds([self.root])
        self.assertEqual('Tesla T4', names.device(0x10DE, 0x1EB8))

    def test_first_root_that_has_a_file_is_taken(self):
        names = pciids.PciIds([self.root / 'nowhere', self.root])
        self.assertEqual('NVIDIA', names.vendor(0x10DE))
