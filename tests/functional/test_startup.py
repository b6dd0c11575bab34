"""A card that Nova has too is withheld; only what harms stops the start."""

import json

import fixtures
import nova.conf
from nova import exception as nova_exception

from nova_gpuvirt import version
from tests.functional import base

_T4 = ('0000:3b:00.0', '0000:5e:00.0', '0000:af:00.0', '0000:d8:00.0')
_SECOND = _T4[1]


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

    def give_to_nova(self, **spec):
        """Let Nova's own PCI passthrough have a card."""
        self.flags(device_spec=[json.dumps(spec)], group='pci')

    def withheld(self, card):
        """What the log says of a card that is not offered, each time."""
        return [
            line.partition(f'{card} is not offered: ')[2]
            for line in self.log().splitlines()
            if f'{card} is not offered: ' in line
        ]

    def test_card_that_nova_s_pci_passthrough_has(self):
        self.give_to_nova(vendor_id='10de', address=_SECOND)
        self.start_gpu_host('host1', 't4')
        for _ in range(2):
            self.assertEqual(
                ['0000:3b:00.0', '0000:af:00.0', '0000:d8:00.0'],
                [*self.offered('host1', 'PGPU')],
            )
            self.run_periodic()
        (reason,) = self.withheld(_SECOND)
        self.assertIn(f'[pci]device_spec gives {_SECOND} to guests', reason)
        self.boot(base.PGPU)
        self.assert_agreed()

    def test_card_that_comes_later_and_is_nova_s(self):
        self.give_to_nova(vendor_id='10de', address=_SECOND)
        host = self.start_gpu_host('host1', 't4', without=[_SECOND])
        host.plug(_SECOND)
        self.run_periodic()
        self.assertNotIn(_SECOND, self.gpu_providers('host1'))
        (reason,) = self.withheld(_SECOND)
        self.assertIn('[pci]device_spec', reason)

    def test_claim_on_a_card_that_is_given_to_nova_later_stays(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.PGPU)
        card = self.slot(server).removeprefix('passthrough:')
        self.give_to_nova(vendor_id='10de', address=card)
        self.restart_compute_service('host1')
        provider = self.gpu_providers('host1')[card]
        self.assertEqual(1, provider['usages']['PGPU'])
        self.assertIn('CUSTOM_GPU_QUARANTINED', provider['traits'])
        self.assertEqual(3, len(self.offered('host1', 'PGPU')))
        # Its guest runs on: it is not undefined for one that can't be built.
        self._reboot_server(server, hard=True)
        self.assertIn('Reboot failed but instance is running', self.log())
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self._delete_server(server)
        self.assertEqual(3, len(self.offered('host1', 'PGPU')))

    def test_type_of_nova_s_that_only_the_late_card_has(self):
        self.flags(enabled_mdev_types=['nvidia-233'], group='devices')
        nova.conf.devices.register_dynamic_opts(nova.conf.CONF)
        self.flags(mdev_class='CUSTOM_NOVA', group='mdev_nvidia-233')
        host = self.start_gpu_host('host1', 't4', without=_T4)
        host.plug(_SECOND)
        self.run_periodic()
        self.assertNotIn(_SECOND, self.gpu_providers('host1'))
        (reason,) = self.withheld(_SECOND)
        self.assertIn('enabled_mdev_types gives its nvidia-233', reason)

    def test_late_card_whose_vgpus_nova_would_take_for_its_own(self):
        # It can't be refused at the start any more.
        self.flags(enabled_mdev_types=['nvidia-999'], group='devices')
        host = self.start_gpu_host('host1', 't4', without=_T4)
        host.plug(_SECOND)
        self.run_periodic()
        self.assertNotIn(_SECOND, self.gpu_providers('host1'))
        (reason,) = self.withheld(_SECOND)
        self.assertIn('would take its VGPU for nvidia-999', reason)

    def test_vgpu_type_that_nova_has(self):
        self.flags(enabled_mdev_types=['nvidia-999'], group='devices')
        self.assert_refused(
            '[devices]enabled_mdev_types', 'nvidia-999', 'VGPU'
        )

    def test_vf_that_can_not_be_read_stops_nothing(self):
        self.give_to_nova(vendor_id='8086', product_id='1520')
        host = self.start_gpu_host('host1', 'domain-1')
        server = self.boot(base.VGPU)
        vf = '0001:c8:00.5'
        host.break_file(vf, 'vendor', None)
        self.restart_compute_service('host1')
        for _ in range(2):
            self.run_periodic()
        (reason,) = self.withheld(vf)
        self.assertIn(f'guests too is not known: {vf}: wanted', reason)
        self.assertEqual([], self.withheld('0001:c8:00.0'))
        self.boot(base.VGPU)
        self._reboot_server(server, hard=True)
        self.assert_agreed()

    def test_excluded_card_may_be_nova_s(self):
        self.give_to_nova(vendor_id='10de', address=_SECOND)
        self.flags(exclude=[_SECOND], group='gpuvirt')
        self.start_gpu_host('host1', 't4')
        providers = self.gpu_providers('host1')
        self.assertNotIn(_SECOND, providers)
        cards = [p for p in providers.values() if 'PGPU' in p['inventories']]
        self.assertEqual(3, len(cards))

    def test_option_that_makes_no_sense(self):
        self.flags(exclude=['tesla'], group='gpuvirt')
        self.assert_refused('[gpuvirt]exclude', "'tesla'", '0000:3b:00.0')

    def test_log_says_in_one_line_what_the_host_offers(self):
        self.start_gpu_host('host1', 'mixed')
        (line,) = [
            line.partition('] ')[2]
            for line in self.log().splitlines()
            if '] nova-gpuvirt ' in line
        ]
        self.assertEqual(
            f'nova-gpuvirt {version.version()} offers 3 of 3 GPUs: '
            '1 NVIDIA Tesla T4 by passthrough, mdev; '
            '1 NVIDIA L40S by vendor-vfio; '
            '1 AMD Instinct MI210 by passthrough, api',
            line,
        )

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
