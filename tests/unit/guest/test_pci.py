"""A card's functions stand together, and an integrated GPU where it must."""

import dataclasses
import unittest

from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.guest import pci
from nova_gpuvirt.model import guest_device

# The first libvirt that knows variant drivers.
_NEW = 10_000_000


def _pci(text, **kwargs):
    return guest_device.Pci(model.PciAddress.parse(text), True, **kwargs)


def _card(bus, count=2):
    slot = f'0000:{bus}:00.0'
    return [
        _pci(f'0000:{bus}:00.{n}', slot=slot, function=n) for n in range(count)
    ]


class PciCase(unittest.TestCase):
    def setUp(self):
        self.start('pc')

    def start(self, machine):
        self.guest = vconfig.LibvirtConfigGuest()
        self.guest.os_mach_type = machine
        self.properties = {}

    def add(self, *devices, libvirt=_NEW):
        pci.add(self.guest, devices, libvirt, self.properties)
        return [d.format_dom() for d in self.guest.devices]


class PciTest(PciCase):
    def test_single_function_goes_where_libvirt_likes(self):
        (hostdev,) = self.add(_pci('0001:c8:1f.0'))
        self.assertEqual(
            {
                'domain': '0x0001',
                'bus': '0xc8',
                'slot': '0x1f',
                'function': '0x0',
            },
            dict(hostdev.find('source/address').attrib),
        )
        self.assertEqual(['source'], [child.tag for child in hostdev])

    def test_libvirt_moves_what_it_manages(self):
        for managed, word in ((True, 'yes'), (False, 'no')):
            self.start('pc')
            address = model.PciAddress.parse('0000:3b:00.0')
            (hostdev,) = self.add(guest_device.Pci(address, managed))
            self.assertEqual(word, hostdev.get('managed'))

    def test_function_that_stays_with_its_driver_needs_a_newer_libvirt(self):
        device = dataclasses.replace(_pci('0000:3b:00.4'), managed=False)
        with self.assertRaisesRegex(
            exception.PrepareFailed, 'found libvirt 9000000'
        ):
            self.add(device, libvirt=9_000_000)

    def test_functions_of_a_card_share_a_slot_on_plain_pci(self):
        places = [
            dict(x.find('address').attrib)
            for x in self.add(*_card('3b'), *_card('5e'))
        ]
        self.assertEqual(
            [
                ('0x10', '0x0'),
                ('0x10', '0x1'),
                ('0x11', '0x0'),
                ('0x11', '0x1'),
            ],
            [(p['slot'], p['function']) for p in places],
        )
        self.assertEqual({'0x00'}, {p['bus'] for p in places})
        self.assertEqual(
            ['on', None, 'on', None], [p.get('multifunction') for p in places]
        )

    def test_each_card_has_a_root_port_on_pci_express(self):
        for machine in ('q35', 'pc-q35-9.2', 'virt', 'virt-9.2'):
            self.start(machine)
            self.check_root_ports(self.add(*_card('3b'), *_card('5e')))

    def check_root_ports(self, elements):
        ports = [e for e in elements if e.get('model') == 'pcie-root-port']
        self.assertEqual(['1', '2'], [p.get('index') for p in ports])
        places = [e.find('address') for e in elements if e.tag == 'hostdev']
        self.assertEqual(
            ['0x01', '0x01', '0x02', '0x02'], [p.get('bus') for p in places]
        )
        self.assertEqual({'0x00'}, {p.get('slot') for p in places})

    def test_single_function_needs_no_root_port(self):
        self.start('q35')
        self.assertEqual(1, len(self.add(_pci('0000:3b:00.0'))))

    def test_variant_driver_is_named_where_libvirt_knows_the_word(self):
        for variant, libvirt, drivers in (
            ('xe-vfio-pci', _NEW, ['xe-vfio-pci']),
            ('xe-vfio-pci', _NEW - 1, []),
            (None, _NEW, []),
        ):
            self.start('pc')
            device = _pci('0000:3b:00.4', variant=variant)
            (hostdev,) = self.add(device, libvirt=libvirt)
            self.assertEqual(
                drivers, [d.get('model') for d in hostdev.iterfind('driver')]
            )


class IgdTest(PciCase):
    def start(self, machine):
        super().start(machine)
        self.guest.add_device(vconfig.LibvirtConfigGuestGraphics())
        self.guest.add_device(vconfig.LibvirtConfigGuestVideo())

    def add_igd(self, *others, **kwargs):
        igd = _pci('0000:00:02.0', igd=True)
        elements = self.add(igd, *others, **kwargs)
        hostdev, *_ = [e for e in elements if e.tag == 'hostdev']
        videos = [e.find('model') for e in elements if e.tag == 'video']
        return hostdev, [video.get('type') for video in videos]

    def assert_refused(
        self, found, kind=exception.RequestImpossible, **kwargs
    ):
        before = [*self.guest.devices]
        with self.assertRaisesRegex(kind, f'0000:00:02.0: .*found {found}'):
            self.add_igd(**kwargs)
        self.assertEqual(before, self.guest.devices)
        self.assertEqual({}, self.properties)

    def test_it_has_its_own_place(self):
        for machine in ('pc', 'q35'):
            self.start(machine)
            hostdev, _ = self.add_igd()
            self.assertEqual(
                {
                    'type': 'pci',
                    'domain': '0x0000',
                    'bus': '0x00',
                    'slot': '0x02',
                    'function': '0x0',
                },
                dict(hostdev.find('address').attrib),
            )

    def test_it_is_the_only_screen_on_i440fx(self):
        for machine in (None, 'pc', 'pc-i440fx-9.2'):
            self.start(machine)
            hostdev, videos = self.add_igd()
            self.assertEqual(['none'], videos)
            self.assertIsNone(hostdev.find('alias'))
            self.assertEqual({}, self.properties)

    def test_its_opregion_is_asked_for_on_q35(self):
        for machine in ('q35', 'pc-q35-9.2'):
            self.start(machine)
            hostdev, videos = self.add_igd()
            alias = hostdev.find('alias').get('name')
            # libvirt takes no other names from its users.
            self.assertRegex(alias, '^ua-')
            self.assertEqual(
                {alias: {'x-igd-opregion': True}}, self.properties
            )
            self.assertEqual(['virtio'], videos)

    def test_card_beside_it_stands_elsewhere(self):
        self.add_igd(*_card('3b'))
        self.assertEqual(
            [(0, 0x02), (0, 0x10), (0, 0x10)],
            [hostdev.place for hostdev in self.guest.devices[-3:]],
        )

    def test_uefi_is_refused(self):
        for machine in ('pc', 'q35'):
            for attribute in ('os_loader', 'os_firmware'):
                self.start(machine)
                setattr(self.guest, attribute, 'efi')
                self.assert_refused('UEFI')

    def test_other_machines_are_refused(self):
        for machine in ('virt', 'microvm'):
            self.start(machine)
            self.assert_refused(f'the machine {machine}')

    def test_libvirt_that_can_not_ask_is_refused(self):
        self.start('q35')
        self.assert_refused(
            'libvirt 8001000', exception.PrepareFailed, libvirt=8_001_000
        )
        self.add_igd(libvirt=8_002_000)
