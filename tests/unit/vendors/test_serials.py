"""A serial number is what a driver tells, and nothing that stands for none."""

import pathlib
import tempfile
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.vendors import serials
from tests.unit import functions

_ADDRESS = '0000:3b:00.0'


class SerialsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.card = self.root / 'sys/bus/pci/devices' / _ADDRESS
        self.card.mkdir(parents=True)
        self.said = ''

    def run_command(self, argv):
        self.assertEqual(('nvidia-smi', '-q', '-i', _ADDRESS), tuple(argv))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def serial(self, driver):
        here = machine.Machine(
            sysfs.Sysfs(self.root),
            pciids.PciIds([self.root]),
            hypervisor.Absent(),
            self.run_command,
        )
        function = functions.function(
            model.PciAddress.parse(_ADDRESS), driver=driver
        )
        return serials.of(here, function)

    def test_of_nvidia_s(self):
        self.said = 'GPU 1\n    Serial Number      : 1654922006536\n'
        self.assertEqual('1654922006536', self.serial('nvidia'))

    def test_board_without_one(self):
        for said in ('    Serial Number   : N/A\n', 'GPU 1\n'):
            self.said = said
            self.assertIsNone(self.serial('nvidia'))

    def test_command_that_fails_or_hangs(self):
        for error in (
            commands.CommandFailed('ended with 15: GPU is lost'),
            commands.CommandHangs('nvidia-smi: it hung'),
        ):
            self.said = error
            self.assertIsNone(self.serial('nvidia'))

    def test_of_amd_s(self):
        self.assertIsNone(self.serial('amdgpu'))
        (self.card / 'serial_number').write_text('a83bf01cc4\n')
        self.assertEqual('a83bf01cc4', self.serial('amdgpu'))

    def test_file_that_can_not_be_read(self):
        (self.card / 'serial_number').mkdir()
        self.assertIsNone(self.serial('amdgpu'))

    def test_card_that_vfio_has_is_not_asked(self):
        self.said = AssertionError()
        self.assertIsNone(self.serial('vfio-pci'))
