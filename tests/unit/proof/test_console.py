"""What a guest says of its devices is compared with what it was given."""

import types
import unittest
import uuid

from nova_gpuvirt import model
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.proof import console
from tests.unit.proof import cards

_OWN = 'PCI 0000:00:00.0 8086:1237 0x060000\n'
_WHOLE = [
    guest_device.Pci(cards.T4.address, managed=True),
    guest_device.Pci(cards.AUDIO.address, managed=True),
]


def missing(devices, said, vfs=types.MappingProxyType({})):
    return console.missing(cards.T4, devices, vfs, said)


class ConsoleTest(unittest.TestCase):
    def test_whole_card_has_each_function_with_its_ids(self):
        display = 'PCI 0000:00:10.0 10de:1eb8 0x030200\r\n'
        audio = 'PCI 0000:00:10.1 10de:10f8 0x040300\r\n'
        for said, absent in (
            (_OWN + display + audio, None),
            (_OWN + audio, '0000:3b:00.0 as 10de:1eb8'),
            (_OWN + display, '0000:3b:00.1 as 10de:10f8'),
            ('', '0000:3b:00.0 as 10de:1eb8'),
        ):
            self.assertEqual(absent, missing(_WHOLE, said))

    def test_part_is_a_gpu_of_its_vendor(self):
        vf = model.PciAddress.parse('0000:3b:00.4')
        for device in (
            guest_device.Mdev(uuid.uuid4()),
            guest_device.Pci(vf, managed=False),
        ):
            for said, absent in (
                ('PCI 0000:00:05.0 10de:20b5 0x030000', None),
                ('PCI 0000:00:05.0 10de:20b5 0x120000', None),
                ('PCI 0000:00:05.0 10de:10f8 0x040300', 'vendor 10de'),
                ('PCI 0000:00:05.0 1234:1111 0x030000', 'vendor 10de'),
            ):
                found = missing([device], _OWN + said)
                self.assertEqual(absent, found and found[-11:])

    def test_vf_may_show_what_it_shows_on_the_host(self):
        vf = model.PciAddress.parse('0000:3b:00.4')
        given = [guest_device.Pci(vf, managed=True)]
        said = 'PCI 0000:00:05.0 1af4:1041 0x020000\n'
        for ids, absent in (
            ((0x1AF4, 0x1041), False),
            ((0x1AF4, 0x1050), True),
        ):
            found = missing(given, _OWN + said, {vf: ids})
            self.assertEqual(absent, found is not None)
        # That of another VF tells nothing.
        other = model.PciAddress.parse('0000:3b:00.5')
        found = missing(given, _OWN + said, {other: (0x1AF4, 0x1041)})
        self.assertIn('10de', found)

    def test_session_is_a_virtio_gpu(self):
        session = guest_device.Renderer(model.RenderNode(128))
        said = 'PCI 0000:00:01.0 1af4:1050 0x030000\n'
        self.assertIsNone(missing([session], said))
        self.assertIn('virtio', missing([session], _OWN))
