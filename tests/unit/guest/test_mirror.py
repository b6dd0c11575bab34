"""A guest with several cards is laid out as the host is."""

import pathlib
import unittest

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import model
from nova_gpuvirt.guest import mirror
from nova_gpuvirt.guest import pci
from nova_gpuvirt.model import guest_device

_SCHEMA = pathlib.Path('/usr/share/libvirt/schemas/domain.rng')
_LIBVIRT = 10_000_000


def device(number, node, **changes):
    address = model.PciAddress(0, number, 0, 0)
    return guest_device.Pci(
        address, True, card=str(address), numa_node=node, **changes
    )


def guest(machine='q35', nodes=()):
    """A guest, with a cell for each of these nodes of the host."""
    config = vconfig.LibvirtConfigGuest()
    config.virt_type = 'kvm'
    config.name = 'g'
    config.uuid = '6c0e8f0e-9a51-4b9c-9f0e-2f1f0a9b7d11'
    config.memory = 4 << 20
    config.vcpus = 4
    config.os_type = 'hvm'
    config.os_mach_type = machine
    config.add_device(vconfig.LibvirtConfigGuestPCIeRootController())
    for _ in range(4):
        config.add_device(vconfig.LibvirtConfigGuestPCIeRootPortController())
    if nodes:
        config.cpu = vconfig.LibvirtConfigGuestCPU()
        config.cpu.numa = vconfig.LibvirtConfigGuestCPUNUMA()
        config.numatune = vconfig.LibvirtConfigGuestNUMATune()
        for cell, node in enumerate(nodes):
            part = vconfig.LibvirtConfigGuestCPUNUMACell()
            part.id, part.cpus, part.memory = cell, {cell}, 1 << 20
            config.cpu.numa.cells.append(part)
            tune = vconfig.LibvirtConfigGuestNUMATuneMemNode()
            tune.cellid, tune.nodeset = cell, [node]
            config.numatune.memnodes.append(tune)
    return config


class MirrorTest(unittest.TestCase):
    def wire(self, config, *devices):
        """Add devices, and return the guest's XML."""
        pci.add(config, devices, _LIBVIRT, {})
        return etree.fromstring(config.to_xml()).find('devices')

    def buses(self, devices):
        """The bus of each hostdev, by its bus on the host."""
        return {
            int(h.find('source/address').get('bus'), 16): int(
                h.find('address').get('bus'), 16
            )
            for h in devices.iterfind('hostdev')
        }

    def test_each_node_of_the_host_is_an_expander(self):
        devices = self.wire(
            guest(nodes=(1, 0)),
            *(device(n, n // 4) for n in range(1, 8)),
        )
        expanders = devices.findall("controller[@model='pcie-expander-bus']")
        # The guest's first cell has memory of the host's second node.
        self.assertEqual(
            ['1', '0'], [e.findtext('target/node') for e in expanders]
        )
        ports = {
            int(p.get('index')): int(p.find('address').get('bus'), 16)
            for p in devices.iterfind("controller[@model='pcie-root-port']")
            if p.find('address') is not None
        }
        indexes = [int(e.get('index')) for e in expanders]
        for card, bus in self.buses(devices).items():
            self.assertEqual(indexes[card // 4], ports[bus])

    def test_guest_without_cells_has_expanders_without_nodes(self):
        devices = self.wire(guest(), device(1, 0), device(2, 1))
        expanders = devices.findall("controller[@model='pcie-expander-bus']")
        self.assertEqual(2, len(expanders))
        for expander in expanders:
            self.assertIsNone(expander.find('target/node'))

    def test_one_card_is_left_to_libvirt(self):
        devices = self.wire(guest(), device(1, 0))
        self.assertIsNone(devices.find('hostdev/address'))

    def test_parts_of_cards_are_left_to_libvirt(self):
        part = guest_device.Pci(model.PciAddress(0, 3, 0, 1), True)
        devices = self.wire(guest(), device(1, 0), part)
        self.assertEqual([], devices.findall('hostdev/address'))

    def test_machine_with_plain_pci_is_left_as_it_was(self):
        devices = self.wire(guest('pc'), device(1, 0), device(2, 1))
        self.assertEqual([], devices.findall('hostdev/address'))

    def test_functions_of_a_card_share_its_port(self):
        card = '0000:01:00.0'
        functions = [
            guest_device.Pci(
                model.PciAddress(0, 1, 0, n),
                True,
                slot=card,
                function=n,
                card=card,
                numa_node=0,
            )
            for n in range(2)
        ]
        devices = self.wire(guest(), *functions, device(2, 0))
        first, second, other = devices.findall('hostdev/address')
        self.assertEqual(first.get('bus'), second.get('bus'))
        self.assertNotEqual(first.get('bus'), other.get('bus'))
        self.assertEqual('on', first.get('multifunction'))

    def test_card_without_a_node_stands_beside_them(self):
        slot = '0000:03:00.0'
        alone = device(3, None, slot=slot)
        devices = self.wire(guest(), device(1, 0), device(2, 0), alone)
        indexes = [
            c.get('index')
            for c in devices.iterfind('controller')
            if c.get('index') is not None
        ]
        self.assertEqual(len(indexes), len(set(indexes)))
        self.assertEqual(3, len(set(self.buses(devices).values())))

    @given(st.lists(st.integers(0, 15), min_size=2, max_size=16))
    def test_bus_numbers_do_not_collide(self, nodes):
        config = guest()
        names = {str(n): node for n, node in enumerate(nodes)}
        places = mirror.add(config, names)
        self.assertEqual(len(names), len({*places.values()}))
        taken = []
        for expander in config.devices:
            if isinstance(expander, mirror.Expander):
                ports = [
                    port
                    for port in config.devices
                    if isinstance(port, mirror.Port)
                    and port.place[0] == expander.index
                ]
                first = expander.first_bus
                # Its own bus, and that behind each port.
                taken += range(first, first + 1 + len(ports))
                self.assertEqual(
                    len(ports), len({port.place for port in ports})
                )
        self.assertEqual(len(taken), len(set(taken)))
        self.assertLess(max(taken), 256)
        self.assertGreater(min(taken), 32)

    @unittest.skipUnless(_SCHEMA.exists(), f'{_SCHEMA}: see bindep.txt')
    def test_libvirts_schema_takes_it(self):
        schema = etree.RelaxNG(file=str(_SCHEMA))
        for nodes in ((), (0,), (0, 1)):
            config = guest(nodes=nodes)
            pci.add(
                config,
                [device(n, n // 5) for n in range(1, 9)],
                _LIBVIRT,
                {},
            )
            schema.assertValid(etree.fromstring(config.to_xml()))
