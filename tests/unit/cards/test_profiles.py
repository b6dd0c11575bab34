"""Types of vGPU are read in the words of their drivers."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.model import trait_names

_T4_1Q = (
    'num_heads=4, frl_config=60, framebuffer=1024M, '
    'max_resolution=5120x2880, max_instance=16'
)
_GVTG_4 = (
    'low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\n'
    'resolution: 1920x1200\nweight: 4'
)


class NvidiaTest(unittest.TestCase):
    def test_every_word_of_the_description_is_read(self):
        self.assertEqual(
            model.Profile(
                'nvidia-t4-1q',
                'GRID T4-1Q',
                'nvidia-222',
                9,
                max_instances=16,
                framebuffer_mib=1024,
                heads=4,
                resolution=(5120, 2880),
                frame_rate_limit=60,
                display=model.Display.REGION,
                per_card=1,
                series='Q',
            ),
            profiles.parse('nvidia-222', 'GRID T4-1Q', _T4_1Q, 9),
        )

    def test_names_of_every_age_give_one_kind_of_slug(self):
        for name, slug in {
            'GRID T4-2Q': 'nvidia-t4-2q',
            'NVIDIA A40-2Q': 'nvidia-a40-2q',
            'NVIDIA RTXA6000-2Q': 'nvidia-rtxa6000-2q',
            'NVIDIA RTX Pro 6000 Blackwell DC-1-24Q': 'nvidia-dc-1-24q',
        }.items():
            profile = profiles.parse('nvidia-1', name, None, 0)
            self.assertEqual(slug, profile.slug)

    def test_size_is_read_from_the_name_where_the_driver_is_silent(self):
        for name, size in {
            'GRID M60-0Q': 512,
            'GRID T4-2B4': 2048,
            'NVIDIA A40-48Q': 49152,
        }.items():
            profile = profiles.parse('nvidia-1', name, 'num_heads=4', 0)
            self.assertEqual(size, profile.framebuffer_mib)

    def test_compute_types_show_no_screen(self):
        for name, display in {
            'GRID T4-4C': None,
            'GRID T4-4Q': model.Display.REGION,
            'GRID T4-1B': model.Display.REGION,
        }.items():
            profile = profiles.parse('nvidia-1', name, 'num_heads=1', 0)
            self.assertEqual(display, profile.display)

    def test_name_tells_what_lives_in_a_gpu_instance(self):
        for name, mig in {
            'NVIDIA H100-1-10C': True,
            'NVIDIA H100-1-10CME': True,
            'NVIDIA RTX Pro 6000 Blackwell DC-1-24Q': True,
            'NVIDIA RTX6000-Ada-2Q': False,
            'NVIDIA L40S-8Q': False,
        }.items():
            profile = profiles.nvidia(name, '1', 0)
            self.assertEqual(mig, trait_names.MIG_BACKED in profile.traits)


class GvtgTest(unittest.TestCase):
    def test_lines_of_the_description_are_read(self):
        self.assertEqual(
            model.Profile(
                'intel-gvtg-v5-4',
                'GVTg_V5_4',
                'i915-GVTg_V5_4',
                1,
                resolution=(1920, 1200),
                needs=(128, 512, 4),
                display=model.Display.DMABUF,
                traits=frozenset(
                    {
                        'HW_GPU_API_DIRECT3D_V11_1',
                        'HW_GPU_API_DIRECT3D_V12_0',
                        'HW_GPU_API_DIRECTX_V11',
                        'HW_GPU_API_DIRECTX_V12',
                        'HW_GPU_API_OPENCL_V1_2',
                        'HW_GPU_API_OPENGL_V4_2',
                    }
                ),
            ),
            profiles.parse('i915-GVTg_V5_4', 'GVTg_V5_4', _GVTG_4, 1),
        )


class SharingTest(unittest.TestCase):
    def test_each_driver_shares_in_its_way(self):
        gvtg = profiles.parse('i915-GVTg_V5_4', 'GVTg_V5_4', _GVTG_4, 1)
        mtty = profiles.parse('mtty-2', 'Dual port serial', None, 12)
        self.assertEqual(size_rules.APERTURE, profiles.rule([gvtg]))
        self.assertEqual(size_rules.PROPORTIONAL, profiles.rule([mtty]))

    def test_description_without_needs_is_shared_in_parts(self):
        silent = profiles.parse('i915-GVTg_V5_4', 'GVTg_V5_4', None, 1)
        self.assertEqual(size_rules.PROPORTIONAL, profiles.rule([silent]))
