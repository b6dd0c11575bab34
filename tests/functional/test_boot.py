"""Servers get GPUs until there are none, and give them back."""

import logging
import re

import fixtures

from tests.functional import base


class BootTest(base.GpuTestCase):
    def test_last_vgpu_is_taken_and_the_next_boot_refused(self):
        host = self.start_gpu_host('host1', 'gvtg')
        before = host.snapshot()
        servers = [self.boot(base.VGPU), self.boot(base.VGPU)]
        self.assert_agreed()
        self.assertEqual({'0000:00:02.0': 0}, self.totals('host1', 'VGPU'))
        self.assertIn('No valid host', self.boot_refused(base.VGPU))
        self.assert_agreed()
        self._delete_server(servers.pop())
        self.assert_agreed()
        servers.append(self.boot(base.VGPU))
        self.assert_agreed()
        for server in servers:
            self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())

    def test_every_card_is_given_whole_and_given_back(self):
        host = self.start_gpu_host('host1', 'workstation')
        before = host.snapshot()
        server = self.boot(base.PGPU)
        self.assert_agreed()
        hostdevs = self.hostdevs('host1', server)
        self.assertEqual(4, len(hostdevs))
        places = [dict(h.find('address').attrib) for h in hostdevs]
        self.assertEqual(
            [f'0x{n}' for n in range(4)], [p['function'] for p in places]
        )
        self.assertEqual(1, len({(p['bus'], p['slot']) for p in places}))
        self.assertIn('No valid host', self.boot_refused(base.PGPU))
        self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())
        self.boot(base.PGPU)
        self.assert_agreed()

    def test_card_in_two_groups_goes_whole_and_comes_back_reset(self):
        host = self.start_gpu_host('host1', 'navi')
        before = host.snapshot()
        server = self.boot(base.PGPU)
        self.assert_agreed()
        self.assertEqual(2, len(self.hostdevs('host1', server)))
        self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())

    def test_card_whose_group_has_a_host_bridge(self):
        host = self.start_gpu_host('host1', 'epyc')
        before = host.snapshot()
        server = self.boot(base.PGPU)
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        self._delete_server(server)
        self.assertEqual(before, host.snapshot())

    def test_several_cards_in_one_request(self):
        self.start_gpu_host('host1', 'h100')
        spec = {'resources1:PGPU': '1', 'resources2:PGPU': '1'}
        pair = self.boot(spec | {'group_policy': 'isolate'})
        self.assertEqual(2, len(self.hostdevs('host1', pair)))
        self.assertEqual(2, len(self.gpu_allocations(pair)))
        self.assertEqual(6, sum(self.totals('host1', 'PGPU').values()))
        self.assert_agreed()

    def test_whole_card_and_its_vgpus_exclude_each_other(self):
        self.start_gpu_host('host1', 't4')
        vgpu = self.boot(base.VGPU)
        card = self.gpu_card(vgpu)
        self.assertEqual(0, self.totals('host1', 'PGPU')[card])
        self.assertEqual(1, self.totals('host1', 'VGPU')[card])
        whole = self.boot(base.PGPU)
        self.assertNotEqual(card, self.gpu_card(whole))
        self.assertEqual(0, self.totals('host1', 'VGPU')[self.gpu_card(whole)])
        self.assert_agreed()
        self._delete_server(vgpu)
        self.assertEqual(1, self.totals('host1', 'PGPU')[card])
        self.assert_agreed()

    def test_profile_is_asked_for_by_class_or_by_trait(self):
        self.start_gpu_host('host1', 't4')
        spec = {
            'resources:CUSTOM_VGPU_NVIDIA_T4_2Q': '1',
            'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required',
        }
        server = self.boot(spec)
        self.assertTrue(self.slot(server).endswith('@nvidia-t4-2q'))
        # The card's vGPUs are of this profile now: VGPU stands for it too.
        twin = self.boot(
            base.VGPU | {'trait:CUSTOM_GPU_PROFILE_NVIDIA_T4_2Q': 'required'}
        )
        self.assertEqual(self.gpu_card(server), self.gpu_card(twin))
        self.assertIn(
            'No valid host',
            self.boot_refused(
                base.VGPU | {'trait:CUSTOM_GPU_MISSING': 'required'}
            ),
        )
        self.assert_agreed()

    def test_server_without_a_gpu_is_not_our_concern(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot({})
        self.assertEqual([], self.claims(server))
        self.assertEqual([], self.hostdevs('host1', server))
        self.assert_agreed()

    def test_the_log_says_how_long_our_steps_take(self):
        log = self.useFixture(
            fixtures.FakeLogger('nova_gpuvirt', level=logging.DEBUG)
        )
        self.start_gpu_host('host1', 't4')
        self._delete_server(self.boot(base.VGPU))
        for step in (
            *('Building._check', 'Building._wire', 'Ending._release'),
            'GpuLibvirtDriver._reconcile',
            *('Reporter._report', 'Reporter._count_running'),
        ):
            self.assertRegex(log.output, rf'{re.escape(step)} took \d+\.\d+ s')

    def gpu_card(self, server):
        """The address of the card that a server has a part of."""
        (name,) = self.gpu_allocations(server)
        return name.rpartition('_')[2]
