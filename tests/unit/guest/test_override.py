"""QEMU's own properties reach the device that has their alias."""

import unittest
import uuid

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import guest
from nova_gpuvirt import model
from nova_gpuvirt.guest import override
from nova_gpuvirt.model import guest_device

_QEMU = {'qemu': 'http://libvirt.org/schemas/domain/qemu/1.0'}
_HOST = guest.Host(46, 39, libvirt_version=11_003_000)


def _guest():
    config = vconfig.LibvirtConfigGuest()
    config.virt_type = 'kvm'
    config.uuid = str(uuid.uuid4())
    config.name = 'instance-00000001'
    config.memory = 4 << 20
    config.os_type = 'hvm'
    config.os_mach_type = 'q35'
    config.add_device(vconfig.LibvirtConfigGuestVideo())
    return config


class OverrideTest(unittest.TestCase):
    def setUp(self):
        self.guest = _guest()

    def of(self, properties):
        config = override.of(self.guest, properties)
        return config, etree.fromstring(config.to_xml())

    def test_properties_stand_by_alias(self):
        _, domain = self.of({'a': {'x': True}, 'b': {'y': 1, 'z': False}})
        (element,) = domain.findall('qemu:override', _QEMU)
        self.assertEqual(
            {'a': ['x'], 'b': ['y', 'z']},
            {
                device.get('alias'): [
                    p.get('name')
                    for p in device.iterfind('qemu:frontend/*', _QEMU)
                ]
                for device in element.iterfind('qemu:device', _QEMU)
            },
        )

    def test_types_are_those_of_libvirt(self):
        _, domain = self.of({'a': {'x': True, 'y': False, 'z': 8 << 30}})
        self.assertEqual(
            [
                {'name': 'x', 'type': 'bool', 'value': 'true'},
                {'name': 'y', 'type': 'bool', 'value': 'false'},
                {'name': 'z', 'type': 'unsigned', 'value': '8589934592'},
            ],
            [dict(p.attrib) for p in domain.iterfind('.//{*}property')],
        )

    def test_prefix_is_the_usual_one(self):
        config, _ = self.of({'a': {'x': True}})
        self.assertIn('<qemu:override xmlns:qemu=', config.to_xml())

    def test_all_else_stays(self):
        before = self.guest.to_xml()
        config, domain = self.of({'a': {'x': True}})
        self.assertIsInstance(config, vconfig.LibvirtConfigGuest)
        domain.remove(domain.find('qemu:override', _QEMU))
        self.assertEqual(
            etree.canonicalize(before, strip_text=True),
            etree.canonicalize(domain, strip_text=True),
        )

    def test_guest_without_properties_is_the_same(self):
        config, domain = self.of({})
        self.assertIs(self.guest, config)
        self.assertIsNone(domain.find('qemu:override', _QEMU))


class WireTest(unittest.TestCase):
    def wire(self, *devices):
        config = guest.wire(_guest(), devices, _HOST, display=False)
        return etree.fromstring(config.to_xml())

    def aliases(self, domain):
        path = 'qemu:override/qemu:device'
        return [d.get('alias') for d in domain.iterfind(path, _QEMU)]

    def test_properties_of_all_devices_come_together(self):
        igd = guest_device.Pci(model.PciAddress(0, 0, 2, 0), True, igd=True)
        renderer = guest_device.Renderer(model.RenderNode(128), venus=True)
        domain = self.wire(igd, renderer)
        alias = domain.find('devices/hostdev/alias').get('name')
        self.assertEqual([alias, 'video0'], self.aliases(domain))

    def test_guest_that_needs_none_has_none(self):
        domain = self.wire(guest_device.Mdev(uuid.uuid4()))
        self.assertEqual([], self.aliases(domain))
        self.assertIsNotNone(domain.find('devices/hostdev'))

    def test_bars_of_all_functions_count(self):
        for count, hole in ((1, None), (2, str(64 << 20))):
            domain = self.wire(
                *(
                    guest_device.Pci(
                        model.PciAddress(0, 0x3B + n, 0, 0),
                        True,
                        bars=(32 << 30,),
                    )
                    for n in range(count)
                )
            )
            self.assertEqual(
                hole, domain.findtext('devices/controller/pcihole64')
            )
