"""A candidate of Placement's is read for what it takes of our providers."""

import unittest

from nova_gpuvirt.scheduler import candidate


class PartsTest(unittest.TestCase):
    def test_only_our_providers_count(self):
        allocations = {
            'root': {'resources': {'VCPU': 4, 'MEMORY_MB': 4096}},
            'card': {'resources': {'VGPU': 2, 'PGPU': 1}},
            'fabric': {'resources': {'CUSTOM_GPU_SET_2': 1}},
        }
        self.assertEqual(
            (
                candidate.Part('card', 'VGPU', 2),
                candidate.Part('card', 'PGPU', 1),
                candidate.Part('fabric', 'CUSTOM_GPU_SET_2', 1),
            ),
            candidate.parts(
                {'allocations': allocations},
                {'card': None, 'fabric': None, 'other': None},
            ),
        )

    def test_a_request_without_gpus_takes_nothing(self):
        allocations = {'root': {'resources': {'VCPU': 4}}}
        self.assertEqual(
            (), candidate.parts({'allocations': allocations}, {'card': None})
        )
