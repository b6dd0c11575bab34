"""What Nova would let through is refused, and leaves no trace."""

from tests.functional import base


class OneRequestTest(base.GpuTestCase):
    """Nova claims several classes without a look at their hardware."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')
        self.before = self.host.snapshot()

    def assert_refused(self, reason, **classes):
        spec = {f'resources1:{rc}': str(n) for rc, n in classes.items()}
        fault = self.boot_refused(spec)
        self.assertIn('Exceeded maximum number of retries', fault)
        self.assertIn(reason, self.log())
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
        self._delete_server(self.boot(base.PGPU))
        self.assert_agreed()

    def test_card_and_a_part_of_it(self):
        self.assert_refused('the whole card is claimed beside', PGPU=1, VGPU=1)

    def test_two_sizes_of_one_card(self):
        self.assert_refused(
            'vGPUs of different sizes are claimed: GRID T4-2Q, GRID T4-4Q',
            CUSTOM_VGPU_NVIDIA_T4_2Q=1,
            CUSTOM_VGPU_NVIDIA_T4_4Q=1,
        )

    def test_two_vgpus_of_one_card_for_one_guest(self):
        self.assert_refused(
            'of it for one guest',
            CUSTOM_VGPU_NVIDIA_T4_8Q=1,
            CUSTOM_VGPU_NVIDIA_T4_8C=1,
        )


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
