"""The mdevs of a host are read where its kernel shows them."""

import uuid

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import mdevs
from tests.unit.simulation import base

_CARD = model.PciAddress.parse('0000:3b:00.0')
_PLACE = 'nvidia/placement_id'


class MdevsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')
        self.mdevs = mdevs.Mdevs(files.OnDisk(self.host.root))

    def test_one_that_is_there(self):
        self.create(str(_CARD), 'nvidia-231', base.UUID_1)
        self.assertEqual({base.UUID_1}, self.mdevs.of(_CARD))
        parent = self.mdevs.parent(uuid.UUID(base.UUID_1))
        self.assertEqual(str(_CARD), parent)
        self.assertEqual('nvidia-231', self.mdevs.type_id(_CARD, base.UUID_1))
        self.assertEqual(
            'nvidia-vgpu-vfio', self.mdevs.driver(_CARD, base.UUID_1)
        )

    def test_one_that_is_gone(self):
        self.assertEqual(set(), self.mdevs.of(_CARD))
        self.assertIsNone(self.mdevs.parent(uuid.UUID(base.UUID_1)))
        self.assertIsNone(self.mdevs.type_id(_CARD, base.UUID_1))
        self.assertIsNone(self.mdevs.driver(_CARD, base.UUID_1))

    def test_file_that_not_every_mdev_has(self):
        self.create(str(_CARD), 'nvidia-231', base.UUID_1)
        arguments = _CARD, base.UUID_1, _PLACE
        self.assertIsNone(self.mdevs.number(*arguments))
        self.assertFalse(self.mdevs.can_be_written(*arguments))

    def test_other_files_are_not_read(self):
        for ask in (self.mdevs.number, self.mdevs.can_be_written):
            self.assertRaises(ValueError, ask, _CARD, base.UUID_1, 'remove')
