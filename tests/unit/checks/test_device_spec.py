"""[pci]device_spec means what it means to Nova."""

import json

import fixtures
import testtools
from nova.pci import devspec

from nova_gpuvirt import model
from nova_gpuvirt.checks import device_spec

_SPECS = (
    {},
    {'vendor_id': '10de'},
    {'vendor_id': '10DE', 'product_id': '1eb8'},
    {'vendor_id': '8086'},
    {'product_id': '0x1eb8'},
    {'address': '0000:3b:00.0'},
    {'address': '0000:3b:00.1'},
    {'address': '3b:00.0'},
    {'address': '*:3b:00.*'},
    {'address': '*:3b:*.0'},
    {'address': ':5e:'},
    {'address': '00.0'},
    {'address': '.0'},
    {'address': '*:*:*.*'},
    {'address': {'bus': '3b', 'slot': '0[0-9]', 'function': '[0-3]'}},
    {'address': {'domain': '.*', 'bus': '3'}},
    {'address': {'bus': 'b'}},
    {'address': '*:3b:00.*', 'vendor_id': '10de', 'product_id': '1eb9'},
)
_DEVICES = (
    ('0000:3b:00.0', None, '1eb8'),
    ('0000:3b:00.4', '0000:3b:00.0', '1eb8'),
    ('0000:3b:0a.1', '0000:3b:00.0', '1eb9'),
    ('0000:5e:00.0', None, '1eb8'),
    ('0001:3b:00.0', None, '1eb8'),
)


class DeviceSpecTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # Nova looks for the PF in the sysfs of this machine.
        self.useFixture(
            fixtures.MockPatch(
                'nova.pci.utils.is_physical_function',
                lambda *address: address == ('0000', '3b', '00', '0'),
            )
        )

    def nova_matches(self, spec, address, parent, product):
        device = {
            'address': address,
            'vendor_id': '10de',
            'product_id': product,
        }
        if parent is not None:
            device['parent_addr'] = parent
        found = devspec.PciDeviceSpec(json.loads(json.dumps(spec)))
        return bool(found.match(device))

    def test_it_is_as_nova_has_it(self):
        matched = set()
        for spec in _SPECS:
            (ours,) = device_spec.parse(json.dumps(spec))
            for address, parent, product in _DEVICES:
                found = ours.matches(
                    model.PciAddress.parse(address),
                    (0x10DE, int(product, 16)),
                    model.PciAddress.parse(parent) if parent else None,
                )
                self.assertEqual(
                    self.nova_matches(spec, address, parent, product),
                    found,
                    (spec, address),
                )
                matched.add(found)
        self.assertEqual({False, True}, matched)

    def test_a_list_has_several(self):
        text = '[{"address": "*:3b:00.*"}, {"vendor_id": "10de"}]'
        self.assertEqual(2, len([*device_spec.parse(text)]))

    def test_what_names_an_interface_means_no_card(self):
        text = '{"devname": "eth0", "physical_network": "physnet1"}'
        self.assertEqual([], [*device_spec.parse(text)])

    def test_what_can_not_be_read(self):
        for text in (
            'x',
            '3',
            '["a"]',
            '{"address": 3}',
            '{"address": "0000:zz:00.0"}',
            '{"address": "1:0000:3b:00.0"}',
            '{"address": {"bus": "["}}',
            '{"vendor_id": "nvidia"}',
            '[' * 100_000,
            '{"address": {"bus": "8{99999999999999999999}"}}',
            f'{{"address": {{"bus": "{"(" * 5000}"}}}}',
        ):
            self.assertRaises(ValueError, list, device_spec.parse(text))
