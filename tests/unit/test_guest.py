"""Devices stand in the guest's XML once, and a card's functions together."""

import unittest
import uuid

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import guest
from nova_gpuvirt import model

_MDEV = uuid.UUID('5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0001')


def _pci(text, slot=None):
    address = model.PciAddress.parse(text)
    return model.GuestPci(address, True, slot, address.function)


def _card(bus, count=2):
    slot = f'0000:{bus}:00.0'
    return [_pci(f'0000:{bus}:00.{n}', slot) for n in range(count)]


class GuestTest(unittest.TestCase):
    def setUp(self):
        self.guest = vconfig.LibvirtConfigGuest()

    def add(self, *devices):
        guest.add_devices(self.guest, devices)
        return [
            etree.fromstring(etree.tostring(d.format_dom()))
            for d in self.guest.devices
        ]

    def test_single_function_goes_where_libvirt_likes(self):
        (hostdev,) = self.add(_pci('0001:c8:1f.0'))
        self.assertEqual('yes', hostdev.get('managed'))
        self.assertEqual(
            {
                'domain': '0x0001',
                'bus': '0xc8',
                'slot': '0x1f',
                'function': '0x0',
            },
            dict(hostdev.find('source/address').attrib),
        )
        self.assertIsNone(hostdev.find('address'))

    def test_functions_of_a_card_share_a_slot_on_plain_pci(self):
        places = [
            dict(x.find('address').attrib)
            for x in self.add(*_card('3b'), *_card('5e'))
        ]
        self.assertEqual(
            [('0x10', '0x0'), ('0x10', '0x1'), ('0x11', '0x0')],
            [(p['slot'], p['function']) for p in places[:3]],
        )
        self.assertEqual({'0x00'}, {p['bus'] for p in places})
        self.assertEqual('on', places[0]['multifunction'])
        self.assertNotIn('multifunction', places[1])

    def test_each_card_has_a_root_port_on_pci_express(self):
        for machine in ('pc-q35-9.2', 'virt'):
            self.guest = vconfig.LibvirtConfigGuest()
            self.guest.os_mach_type = machine
            self.check_root_ports(self.add(*_card('3b'), *_card('5e')))

    def check_root_ports(self, elements):
        ports = [e for e in elements if e.get('model') == 'pcie-root-port']
        self.assertEqual(['1', '2'], [p.get('index') for p in ports])
        places = [e.find('address') for e in elements if e.tag == 'hostdev']
        self.assertEqual(
            ['0x01', '0x01', '0x02', '0x02'], [p.get('bus') for p in places]
        )
        self.assertEqual({'0x00'}, {p.get('slot') for p in places})

    def test_mdev_is_named_by_its_uuid(self):
        (hostdev,) = self.add(model.GuestMdev(_MDEV))
        self.assertEqual('mdev', hostdev.get('type'))
        self.assertEqual('no', hostdev.get('managed'))
        self.assertEqual(
            str(_MDEV), hostdev.find('source/address').get('uuid')
        )

    def test_mdev_that_nova_kept_from_the_old_guest_is_not_added_again(self):
        kept = vconfig.LibvirtConfigGuestHostdevMDEV()
        kept.uuid = str(_MDEV)
        self.guest.add_device(kept)
        self.assertEqual(1, len(self.add(model.GuestMdev(_MDEV))))
