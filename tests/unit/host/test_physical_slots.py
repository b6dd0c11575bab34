"""A card is found in its slot, or by the bridge that is in it."""

import pathlib
import tempfile
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import physical_slots
from tests.unit import functions

_ABOVE = ('pci0000:3a', '0000:3a:00.0', '0000:3b:00.0', '0000:3c:08.0')


class PhysicalSlotsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def plug(self, slot, address):
        place = self.root / 'sys/bus/pci/slots' / slot
        place.mkdir(parents=True)
        (place / 'address').write_text(f'{address}\n')

    def name(self, address='0000:3d:00.0', above=_ABOVE):
        function = functions.function(
            model.PciAddress.parse(address), above=above
        )
        return physical_slots.name_of(files.OnDisk(self.root), function)

    def test_host_that_numbers_none(self):
        self.assertIsNone(self.name())

    def test_card_in_a_slot(self):
        self.plug('3', '0000:86:00')
        self.plug('4-1', '0000:3d:00')
        self.assertEqual('4-1', self.name())

    def test_board_with_several_behind_a_bridge(self):
        self.plug('3', '0000:86:00')
        self.plug('7', '0000:3b:00')
        # The port above all is in the slot of nothing that goes out with it.
        self.plug('1', '0000:3a:00')
        self.assertEqual('7', self.name())
        self.assertEqual('3', self.name('0000:86:00.0', ()))

    def test_slot_that_any_device_of_a_bus_may_be_in(self):
        self.plug('7', '0000:3d')
        self.assertEqual('7', self.name())

    def test_slot_that_can_not_be_read_is_passed_over(self):
        (self.root / 'sys/bus/pci/slots/3').mkdir(parents=True)
        self.plug('7', '0000:3d:00')
        self.assertEqual('7', self.name())
