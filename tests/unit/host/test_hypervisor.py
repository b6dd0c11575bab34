"""libvirt is asked in its own words, and its refusals are passed on."""

import unittest
import uuid
from xml.etree import ElementTree

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import hypervisor

_CARD = model.PciAddress.parse('0000:3b:00.0')
_MDEV = uuid.UUID('5f0b1f3e-2c6c-8a1e-9b0e-0d6b8a6a0001')
_NAME = 'mdev_5f0b1f3e_2c6c_8a1e_9b0e_0d6b8a6a0001'


class Device:
    def __init__(self):
        self.destroyed = False
        self.asked = []

    def detachFlags(self, driver, flags):
        self.asked.append(('detach', driver, flags))

    def reAttach(self):
        self.asked.append('reattach')

    def destroy(self):
        self.destroyed = True


class Domain:
    def __init__(self, uuid_, xml, patience=0):
        self._uuid, self._xml = uuid_, xml
        self.asked = []
        self.patience = patience

    def isActive(self):
        return len(self.asked) <= self.patience

    def destroyFlags(self, flags):
        self.asked.append(flags)
        if self.isActive():
            raise RuntimeError('Device or resource busy')

    def UUIDString(self):
        return self._uuid

    def XMLDesc(self, flags):
        return self._xml


class Connection:
    """A libvirt with these node devices and guests."""

    def __init__(self, names=(), domains=()):
        self.devices = {name: Device() for name in names}
        self.domains = domains
        self.created = []

    def getDomainCapabilities(self, *args):
        return self.capabilities

    def getVersion(self):
        return self.version

    def nodeDeviceCreateXML(self, xml, flags):
        self.created.append(xml)

    def listDevices(self, cap, flags):
        assert cap == 'mdev'
        return list(self.devices)

    def nodeDeviceLookupByName(self, name):
        return self.devices[name]

    def listAllDomains(self, flags):
        return self.domains

    def lookupByUUIDString(self, name):
        return next(d for d in self.domains if d.UUIDString() == name)


def _broken():
    raise RuntimeError('libvirtd is gone')


def _guest(source):
    return (
        f'<domain><devices><hostdev><source>{source}</source></hostdev>'
        '</devices></domain>'
    )


def _capabilities(graphics, video):
    return (
        '<domainCapabilities><devices>'
        f"<graphics><enum name='type'><value>{graphics}</value></enum>"
        '</graphics>'
        f"<video><enum name='modelType'><value>{video}</value></enum></video>"
        '</devices></domainCapabilities>'
    )


class HypervisorTest(unittest.TestCase):
    def test_mdev_is_described_as_libvirt_wants_it(self):
        connection = Connection()
        libvirt = hypervisor.Hypervisor(lambda: connection)
        libvirt.create_mdev(_CARD, 'nvidia-222', _MDEV)
        device = ElementTree.fromstring(connection.created[0])
        self.assertEqual('pci_0000_3b_00_0', device.findtext('parent'))
        capability = device.find('capability')
        self.assertEqual('mdev', capability.get('type'))
        self.assertEqual('nvidia-222', capability.find('type').get('id'))
        self.assertEqual(str(_MDEV), capability.findtext('uuid'))

    def test_mdev_is_found_by_old_and_new_names(self):
        for name in (_NAME, _NAME + '_0000_3b_00_0'):
            connection = Connection(['mdev_other', name])
            libvirt = hypervisor.Hypervisor(lambda c=connection: c)
            libvirt.remove_mdev(str(_CARD), _MDEV)
            self.assertTrue(connection.devices[name].destroyed)
            self.assertFalse(connection.devices['mdev_other'].destroyed)

    def test_function_is_detached_and_reattached_by_its_name(self):
        connection = Connection([_CARD.nodedev])
        libvirt = hypervisor.Hypervisor(lambda: connection)
        libvirt.detach(_CARD)
        libvirt.reattach(_CARD)
        asked = connection.devices[_CARD.nodedev].asked
        self.assertEqual([('detach', 'vfio', 0), 'reattach'], asked)

    def test_device_that_can_not_be_is_no_answer(self):
        for source in (
            '<address uuid="../../x"/>',
            '<address bus="0x3b" slot="0x20" function="0x0"/>',
            '<address bus="-1" slot="0x00" function="0x0"/>',
            '<address bus="0x3b" slot="0x00" function="0x8"/>',
            f'<address domain="0x{"1" * 5000}" slot="0x00"/>',
        ):
            guest = Domain('g', _guest(source))
            connection = Connection(domains=[guest])
            libvirt = hypervisor.Hypervisor(lambda c=connection: c)
            self.assertRaises(ValueError, libvirt.devices_of, 'g')
            with self.assertRaises(exception.ReleaseFailed):
                libvirt.guest_with(_CARD)

    def test_who_can_not_move_a_function_says_so(self):
        for libvirt in (
            hypervisor.Hypervisor(_broken),
            hypervisor.Absent(),
        ):
            for change in (libvirt.detach, libvirt.reattach):
                with self.assertRaisesRegex(
                    exception.ReleaseFailed, str(_CARD)
                ):
                    change(_CARD)

    def test_guest_that_has_an_mdev_is_named(self):
        domains = [
            Domain('one', '<domain><devices/></domain>'),
            Domain('two', _guest(f"<address uuid='{_MDEV}'/>")),
        ]
        libvirt = hypervisor.Hypervisor(lambda: Connection((), domains))
        self.assertEqual('two', libvirt.guest_with(_MDEV))
        self.assertIsNone(libvirt.guest_with(uuid.uuid4()))

    def test_guest_that_has_a_function_is_named(self):
        source = (
            "<address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/>"
        )
        domains = [Domain('one', _guest(source))]
        libvirt = hypervisor.Hypervisor(lambda: Connection((), domains))
        self.assertEqual('one', libvirt.guest_with(_CARD))
        other = model.PciAddress.parse('0000:3b:00.1')
        self.assertIsNone(libvirt.guest_with(other))

    def test_guest_is_ended_gracefully_or_not_at_all(self):
        for patience, ends, asked in (
            (0, True, 1),
            (1, True, 2),
            (2, False, 2),
        ):
            domain = Domain('one', '', patience)
            libvirt = hypervisor.Hypervisor(
                lambda d=domain: Connection((), [d])
            )
            with self.subTest(patience):
                self.assertEqual(ends, libvirt.end_gracefully('one'))
                self.assertEqual(asked * [1], domain.asked)

    def test_guest_that_does_not_run_has_ended(self):
        domain = Domain('one', '', -1)
        libvirt = hypervisor.Hypervisor(lambda: Connection((), [domain]))
        self.assertTrue(libvirt.end_gracefully('one'))
        self.assertEqual([], domain.asked)

    def test_guest_that_is_gone_has_ended(self):
        class Gone(Exception):
            def get_error_code(self):
                return 42

        class Empty(Connection):
            def lookupByUUIDString(self, name):
                raise Gone

        libvirt = hypervisor.Hypervisor(Empty)
        self.assertTrue(libvirt.end_gracefully('one'))
        self.assertEqual(set(), libvirt.devices_of('one'))
        with self.assertRaisesRegex(RuntimeError, 'is gone'):
            hypervisor.Hypervisor(_broken).end_gracefully('one')
        with self.assertRaisesRegex(RuntimeError, 'is gone'):
            hypervisor.Hypervisor(_broken).devices_of('one')

    def test_devices_of_a_guest_are_told(self):
        domain = Domain('one', _guest(f"<address uuid='{_MDEV}'/>"))
        libvirt = hypervisor.Hypervisor(lambda: Connection((), [domain]))
        self.assertEqual({_MDEV}, libvirt.devices_of('one'))

    def test_capabilities_tell_what_can_be_drawn(self):
        for words, version, expected in (
            (('egl-headless', 'virtio'), 7_002_000, (True, False)),
            (('egl-headless', 'virtio'), 10_000_000, (True, True)),
            (('vnc', 'virtio'), 7_002_000, (False, False)),
        ):
            connection = Connection()
            connection.capabilities = _capabilities(*words)
            connection.version = version
            libvirt = hypervisor.Hypervisor(lambda c=connection: c)
            renderer = libvirt.renderer()
            self.assertEqual(expected, (renderer.virgl, renderer.venus))

    def test_silence_is_never_taken_for_a_yes(self):
        libvirt = hypervisor.Hypervisor(_broken)
        with self.assertRaisesRegex(exception.PrepareFailed, 'is gone'):
            libvirt.create_mdev(_CARD, 'nvidia-222', _MDEV)
        for ask in (
            lambda: libvirt.remove_mdev(str(_CARD), _MDEV),
            lambda: libvirt.guest_with(_MDEV),
        ):
            with self.assertRaisesRegex(exception.ReleaseFailed, 'is gone'):
                ask()
