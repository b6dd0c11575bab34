"""What Nova would let through is refused, and leaves no trace."""

import errno

import fixtures
from lxml import etree
from nova.tests.functional.api import client

from nova_gpuvirt import exception
from nova_gpuvirt.compute.claims import admission
from tests.functional import base


class OneRequestTest(base.GpuTestCase):
    """Nova claims several classes without a look at their hardware."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')
        self.before = self.host.snapshot()

    def assert_refused(self, reason, **classes):
        spec = {f'resources1:{rc}': str(n) for rc, n in classes.items()}
        # The filter refuses it, and a host that is named passes the filter.
        self.assertIn('No valid host', self.boot_refused(spec))
        fault = self.boot_refused(spec, az='nova:host1')
        self.assertIn('the log of nova-compute says', fault)
        self.assertNotIn('0000:', fault)
        self.assertIn(reason, self.log())
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
        self._delete_server(self.boot(base.PGPU))
        self.assert_agreed()

    def test_card_and_a_part_of_it(self):
        self.assert_refused('the whole card is claimed beside', PGPU=1, VGPU=1)

    def test_two_sizes_of_one_card(self):
        self.assert_refused(
            'vGPUs of different sizes are claimed',
            CUSTOM_VGPU_NVIDIA_T4_2Q=1,
            CUSTOM_VGPU_NVIDIA_T4_4Q=1,
        )
        self.assertNotIn('sriov-manage', self.log())

    def test_two_vgpus_of_one_card_for_one_guest(self):
        self.assert_refused(
            'gives 1 of its parts to one guest',
            CUSTOM_VGPU_NVIDIA_T4_2B=1,
            CUSTOM_VGPU_NVIDIA_T4_2B4=1,
        )

    def test_two_series_for_one_guest(self):
        self.assert_refused(
            'NVIDIA wants one board and series',
            CUSTOM_VGPU_NVIDIA_T4_8Q=1,
            CUSTOM_VGPU_NVIDIA_T4_8C=1,
        )


class MoveTest(base.GpuTestCase):
    """A guest that arrives is refused where its claims don't hold."""

    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 'gvtg')
        self.server = self.boot(base.VGPU)

    def refuse_everything(self):
        refusal = exception.ClaimRefused(
            'a card', wanted='it', found='a rival', remedy='none'
        )
        return fixtures.MockPatchObject(
            admission.Admission, 'check', side_effect=refusal
        )

    def assert_fails(self, action, status):
        """Do what fails; the harness answers with the error itself."""
        self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            *(self.server['id'], action),
        )
        self._wait_for_server_parameter(
            self.server, {'status': status, 'OS-EXT-STS:task_state': None}
        )

    def test_unshelved_server_stays_shelved(self):
        self._shelve_server(self.server)
        with self.refuse_everything():
            self.assert_fails({'unshelve': None}, 'SHELVED_OFFLOADED')
        self.assertIn('found a rival', self.log())
        self.assert_agreed()
        self._unshelve_server(self.server)
        self.assert_agreed()

    def test_migrating_server_is_in_error_and_not_without_its_gpu(self):
        self.start_gpu_host('host2', 'gvtg')
        with self.refuse_everything():
            self.assert_fails({'migrate': None}, 'ERROR')
        self.assertIn('found a rival', self.log())

    def test_rebuilt_server_is_checked_before_its_guest_goes(self):
        before = self.hostdevs('host1', self.server)
        with self.refuse_everything():
            self.assert_fails({'rebuild': {'imageRef': base.IMAGE}}, 'ERROR')
        self.assertEqual(
            [etree.tostring(hostdev) for hostdev in before],
            [
                etree.tostring(hostdev)
                for hostdev in self.hostdevs('host1', self.server)
            ],
        )

    def test_rebuild_that_fails_is_an_error_and_seen_as_one(self):
        self.simulated['host1'].fail('*/*/*/create', errno.EIO)
        self.assert_fails({'rebuild': {'imageRef': base.IMAGE}}, 'ERROR')
        self.assertIn('Refused on host1', self.log())


class IncompleteClaimTest(base.GpuTestCase):
    def test_server_never_starts_without_the_gpu_it_pays_for(self):
        self.start_gpu_host('host1', 'gvtg')
        # As after an update that published nothing: Nova skips the claim.
        tree = self.computes['host1'].manager.rt.provider_tree
        (provider,) = self.gpu_providers('host1').values()
        tree.update_resources(provider['uuid'], {})
        self.boot_refused(base.VGPU)
        self.assertIn('wanted 1 of VGPU from this host', self.log())
        self.run_periodic()
        self.boot(base.VGPU)
        self.assert_agreed()
