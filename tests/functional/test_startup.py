"""nova-compute refuses to start where it could do harm, and says why."""

import json

import fixtures
from nova import exception as nova_exception

from tests.functional import base


class StartupTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        # Nova looks at the real host's sysfs for an address it is given.
        self.useFixture(
            fixtures.MockPatch(
                'nova.pci.utils.is_physical_function', return_value=False
            )
        )

    def assert_refused(self, *words):
        error = self.assertRaises(
            nova_exception.InvalidConfiguration,
            self.start_gpu_host,
            *('host1', 't4'),
        )
        for word in words:
            self.assertIn(word, str(error))

    def test_card_that_nova_s_pci_passthrough_has(self):
        spec = {'vendor_id': '10de', 'address': '0000:5e:00.0'}
        self.flags(device_spec=[json.dumps(spec)], group='pci')
        self.assert_refused('[pci]device_spec', '0000:5e:00.0', 'Tesla T4')

    def test_vgpu_type_that_nova_has(self):
        self.flags(enabled_mdev_types=['nvidia-999'], group='devices')
        self.assert_refused(
            '[devices]enabled_mdev_types', 'nvidia-999', 'VGPU'
        )

    def test_excluded_card_may_be_nova_s(self):
        spec = {'vendor_id': '10de', 'address': '0000:5e:00.0'}
        self.flags(device_spec=[json.dumps(spec)], group='pci')
        self.flags(exclude=['0000:5e:00.0'], group='gpuvirt')
        self.start_gpu_host('host1', 't4')
        providers = self.gpu_providers('host1')
        self.assertNotIn('0000:5e:00.0', providers)
        cards = [p for p in providers.values() if 'PGPU' in p['inventories']]
        self.assertEqual(3, len(cards))

    def test_option_that_makes_no_sense(self):
        self.flags(exclude=['tesla'], group='gpuvirt')
        self.assert_refused('[gpuvirt]exclude', "'tesla'", '0000:3b:00.0')

    def test_operator_s_default_profile_is_what_vgpu_means(self):
        self.flags(default_profile=['nvidia-t4-2q'], group='gpuvirt')
        self.flags(profiles=['nvidia-t4-*q'], group='gpuvirt')
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        self.assertTrue(self.slot(server).endswith('@nvidia-t4-2q'))
        for provider in self.gpu_providers('host1').values():
            self.assertNotIn(
                'CUSTOM_VGPU_NVIDIA_T4_4C', provider['inventories']
            )
        self.assert_agreed()
