"""A simulated libvirt moves functions between drivers as libvirt does."""

import errno
import pathlib
import threading
from xml.etree import ElementTree

import fixtures
import testtools
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.libvirt import connection

_CARD = model.PciAddress.parse('0000:3b:00.0')
_GUEST = """
<domain><name>guest</name><uuid>5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0001</uuid>
<os><type>hvm</type></os>
<devices><hostdev mode="subsystem" type="pci" managed="yes"><source>
<address domain="0x0000" bus="0x3b" slot="0x00" function="0x0"/>
</source></hostdev></devices></domain>
"""


class NodeDevicesTest(testtools.TestCase):
    def start(self, name):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        self.host = hosts.simulated(name, root)
        self.connection = connection.Connection(self.host)
        self.libvirt = hypervisor.Hypervisor(lambda: self.connection)

    def driver(self):
        return self.connection.sysfs.link(_CARD, 'driver')

    def test_function_goes_to_vfio_and_back(self):
        self.start('t4')
        for _ in range(2):
            self.libvirt.detach(_CARD)
            self.assertEqual('vfio-pci', self.driver())
        for _ in range(2):
            self.libvirt.reattach(_CARD)
            self.assertEqual('nvidia', self.driver())

    def test_it_is_refused_while_a_domain_has_it(self):
        self.start('t4')
        guest = self.connection.createXML(_GUEST, 0)
        for change in (self.libvirt.detach, self.libvirt.reattach):
            error = self.assertRaises(exception.ReleaseFailed, change, _CARD)
            self.assertIn('in use by driver QEMU, domain guest', str(error))
            self.assertEqual('vfio-pci', self.driver())
        guest.destroy()
        self.libvirt.detach(_CARD)

    def test_kernels_refusals_are_told(self):
        self.start('t4')
        self.host.fail('*/driver_override', errno.EIO)
        error = self.assertRaises(
            exception.ReleaseFailed, self.libvirt.detach, _CARD
        )
        self.assertIn('Input/output error', str(error))
        self.assertEqual('nvidia', self.driver())

    def test_driver_that_does_not_let_go_is_waited_for(self):
        self.start('t4')
        self.host.hang_writes('*/driver/unbind')
        thread = threading.Thread(
            target=self.libvirt.detach, args=(_CARD,), daemon=True
        )
        thread.start()
        thread.join(0.1)
        self.assertTrue(thread.is_alive())
        self.assertEqual('nvidia', self.driver())
        self.host.wake_writes('*/driver/unbind')
        thread.join(10)
        self.assertEqual('vfio-pci', self.driver())

    def test_other_driver_and_other_function_are_none(self):
        self.start('t4')
        device = self.connection.nodeDeviceLookupByName(_CARD.nodedev)
        self.assertRaises(
            fakelibvirt.libvirtError, device.detachFlags, 'xen', 0
        )
        self.host.unplug(str(_CARD))
        for change in (self.libvirt.detach, self.libvirt.reattach):
            self.assertRaises(exception.ReleaseFailed, change, _CARD)

    def test_xml_tells_of_the_function(self):
        self.start('b50')
        pf = model.PciAddress.parse('0000:17:00.0')
        vf = model.PciAddress.parse('0000:17:00.1')
        xml = ElementTree.fromstring(self.libvirt.node_device(pf))
        self.assertEqual('pci_0000_17_00_0', xml.findtext('name'))
        self.assertEqual('pci_0000_16_01_0', xml.findtext('parent'))
        self.assertEqual('xe', xml.findtext('driver/name'))
        self.assertEqual('23', xml.findtext('capability/bus'))
        self.assertEqual('0x8086', xml.find('capability/vendor').get('id'))
        vfs = "capability/capability[@type='virt_functions']/address"
        self.assertEqual(
            ['0x1', '0x2'], [a.get('function') for a in xml.iterfind(vfs)]
        )
        xml = ElementTree.fromstring(self.libvirt.node_device(vf))
        physfn = "capability/capability[@type='phys_function']/address"
        self.assertEqual('0x0', xml.find(physfn).get('function'))
        self.assertIsNotNone(xml.find('capability/iommuGroup'))
